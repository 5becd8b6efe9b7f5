"""Lists whose pages name their successor: by a cursor that goes into the next request, or by a link to follow."""

from __future__ import annotations

import json
from collections.abc import Iterable

from etl.errors import SourceFailed
from etl.model.instants import Cursor
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import Stream
from etl.model.window import Window


class CursorPages:
    """The next cursor stands in the response, or is a field of its last row."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream.id
        self._paging = stream.pages
        self._spell = stream.incremental.format.render if stream.incremental is not None else _as_it_is
        self._cap = Cap(stream)

    def first(self, window: Window) -> PageRequest:
        """Without a cursor, unless the API wants one for the first page, which may be the watermark."""
        first = self._paging.first
        if self._paging.first_is_start:
            first = None if window.start is None else self._spell(window.start)
        return PageRequest(window=window, position="first" if first is None else _position(first), cursor=first)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """`while` and `until` are looked at before the cursor: the last page may still carry one."""
        cursor = facts.next_cursor
        if facts.more is False or self._cap.ends(request, facts):
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

    def __init__(self, stream: Stream) -> None:
        self._stream = stream.id
        self._cap = Cap(stream)

    def first(self, window: Window) -> PageRequest:
        """The request as it is written."""
        return PageRequest(window=window, position="first")

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """No link is the end."""
        link = facts.next_link
        if facts.more is False or self._cap.ends(request, facts):
            return ()
        if not link:
            if facts.more:
                raise _contradiction(self._stream, request, "next link")
            return ()
        return (PageRequest(window=request.window, position=f"link:{link}", ordinal=request.ordinal + 1, link=link),)


class Cap:
    """Where a chain stops because the API lists no more rows of one query: to ask on would be refused."""

    def __init__(self, stream: Stream) -> None:
        self._cap = stream.pages.cap
        self._size = stream.pages.size
        self._halves = stream.halves

    def ends(self, request: PageRequest, facts: PageFacts) -> bool:
        """At once where the total is beyond the cap and the window can be cut in halves, else with the last row."""
        if self._cap is None:
            return False
        if facts.total_rows is not None and facts.total_rows >= self._cap and self._halves(request.window):
            return True
        return (request.ordinal + 1) * (self._size or facts.count) >= self._cap


def _as_it_is(start: Cursor) -> object:
    return start


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
