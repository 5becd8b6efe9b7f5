"""Lists whose pages name their successor: by a cursor that goes into the next request, or by a link to follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from etl.errors import SourceFailed
from etl.model.instants import Cursor
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import Paging
from etl.model.window import Window


class CursorPages:
    """The next cursor stands in the response, or is a field of its last row."""

    def __init__(self, stream: str, paging: Paging, spell: Callable[[Cursor], object] = lambda start: start) -> None:
        self._stream = stream
        self._paging = paging
        self._spell = spell

    def first(self, window: Window) -> PageRequest:
        """Without a cursor, unless the API wants one for the first page; `spell` is how it writes a watermark."""
        first = self._paging.first
        if self._paging.first_is_start:
            first = None if window.start is None else self._spell(window.start)
        return PageRequest(window=window, position="first" if first is None else _position(first), cursor=first)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """`while` and `until` are looked at before the cursor: the last page may still carry one."""
        cursor = facts.next_cursor
        if facts.more is False:
            return ()
        if cursor is None or cursor == "":
            if facts.more:
                raise _contradiction(self._stream, request, "next cursor")
            return ()
        if _same(cursor, request.cursor) and (self._paging.until_repeat or self._is_inclusive_end(facts)):
            return ()
        return (
            PageRequest(window=request.window, position=_position(cursor), ordinal=request.ordinal + 1, cursor=cursor),
        )

    def _is_inclusive_end(self, facts: PageFacts) -> bool:
        """An inclusive keyset ends with the row it began with; a full page of one cursor can never be left again."""
        size = self._paging.size
        return self._paging.inclusive and (facts.count <= 1 or (size is not None and facts.count < size))


class LinkPages:
    """The next link stands in the response, or in its Link header; it is followed as it is."""

    def __init__(self, stream: str, paging: Paging) -> None:
        self._stream = stream
        self._paging = paging

    def first(self, window: Window) -> PageRequest:
        """The request as it is written."""
        return PageRequest(window=window, position="first")

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """No link is the end."""
        link = facts.next_link
        if facts.more is False:
            return ()
        if not link:
            if facts.more:
                raise _contradiction(self._stream, request, "next link")
            return ()
        return (PageRequest(window=request.window, position=f"link:{link}", ordinal=request.ordinal + 1, link=link),)


def _same(cursor: object, sent: object) -> bool:
    """A watermark comes back from the database as text, where the API writes a number."""
    return cursor == sent or (isinstance(sent, str) and isinstance(cursor, int) and str(cursor) == sent)


def _position(cursor: object) -> str:
    return "cursor:" + json.dumps(cursor, sort_keys=True, ensure_ascii=False)


def _contradiction(stream: str, request: PageRequest, what: str) -> SourceFailed:
    return SourceFailed(
        f"{stream}: {request.position} says that there is more and gives no {what}",
        hint="compare pages.while or pages.until, and where the cursor is read, with a real answer",
    )
