"""The form of a ledger line: from a page to the values of its row, and from the row back to the page's facts.

Built for speed: every page passes here inside its transaction, so the statements are plain text with positional
parameters and the values are tuples, without SQLAlchemy's processing of types.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from etl.db.journal import Line
from etl.db.types import fixed_width
from etl.model.instants import Cursor, CursorKind
from etl.model.page import FailedTry, PageFacts, PageRequest
from etl.model.window import Window
from etl.runs.cursors import cursor_text, read_cursor

Identity = tuple[str, str, str, str, int]
"""Member, start and end of the window, position, attempt: what names a page inside a generation of a stream."""

PAGE_COLUMNS = (
    "ordinal", "generation", "stream", "member", "win_start", "win_end", "position", "attempt", "purpose",
    "page_ordinal", "seq", "items", "inserted", "updated", "unchanged", "rejected", "bytes", "tries", "first_key",
    "last_key", "key_digests", "digest", "total_rows", "total_pages", "next_cursor", "next_link", "more", "token",
    "min_cursor", "max_cursor", "future_rows", "outside_rows", "order_broken", "url", "status", "served_at",
    "requested_at", "seconds", "committed_at",
)  # fmt: skip
FACT_COLUMNS = (
    "member", "win_start", "win_end", "position", "attempt", "items", "first_key", "last_key", "key_digests", "digest",
    "total_rows", "total_pages", "next_cursor", "next_link", "more", "token", "min_cursor", "max_cursor", "future_rows",
    "outside_rows", "order_broken", "status",
)  # fmt: skip
TRY_COLUMNS = ("ordinal", "stream", "position", "url", "reason", "status", "requested_at", "seconds", "wait_s")
REJECT_COLUMNS = (
    "ordinal", "stream", "member", "position", "item", "seq", "key", "path", "reason", "raw", "rejected_at",
)  # fmt: skip


def insert_text(table: str, columns: Sequence[str], dialect: str, *, ignore_conflicts: bool = False) -> str:
    """An INSERT with positional parameters for a raw `executemany`."""
    marks = ", ".join(["?" if dialect == "sqlite" else "%s"] * len(columns))
    names = ", ".join(f'"{column}"' for column in columns)
    tail = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    return f"INSERT INTO {table} ({names}) VALUES ({marks}){tail}"  # noqa: S608 - names of our own tables


def window_key(window: Window) -> tuple[str, str, str]:
    """Member, start and end as the ledger keeps them; an open bound is the empty text."""
    return window.member, cursor_text(window.start) or "", cursor_text(window.end) or ""


def identity(request: PageRequest) -> Identity:
    """What names the page inside its generation."""
    return (*window_key(request.window), request.position, request.attempt)


class LineForm:
    """Turns pages into rows for one stream of one run on one dialect."""

    def __init__(self, *, stream: str, generation: str, ordinal: int, dialect: str) -> None:
        self._stream = stream
        self._generation = generation
        self.ordinal = ordinal
        self._is_sqlite = dialect == "sqlite"

    def page(self, line: Line, now: datetime) -> tuple[Any, ...]:
        """In the order of PAGE_COLUMNS."""
        page = line.page
        request, response, facts = page.request, page.response, page.facts
        return (
            self.ordinal,
            self._generation,
            self._stream,
            *window_key(request.window),
            request.position,
            request.attempt,
            request.purpose.value,
            request.ordinal,
            response.seq,
            facts.count,
            line.inserted,
            line.updated,
            line.unchanged,
            len(page.rejects),
            response.wire_bytes,
            len(page.failed_tries),
            facts.first_key,
            facts.last_key,
            facts.key_digests,
            facts.digest,
            facts.total_rows,
            facts.total_pages,
            None if facts.next_cursor is None else json.dumps(facts.next_cursor),
            facts.next_link,
            facts.more,
            facts.token,
            cursor_text(facts.min_cursor),
            cursor_text(facts.max_cursor),
            facts.future_rows,
            facts.outside_rows,
            facts.order_broken,
            response.url,
            response.status,
            None if response.served_at is None else self._instant(response.served_at),
            self._instant(response.started_at),
            response.seconds,
            self._instant(now),
        )

    def tries(self, line: Line) -> Iterator[tuple[Any, ...]]:
        """In the order of TRY_COLUMNS."""
        return self.tries_of(line.page.request, line.page.response.url, line.page.failed_tries)

    def tries_of(self, request: PageRequest, url: str, tries: Iterable[FailedTry]) -> Iterator[tuple[Any, ...]]:
        """The same for any request, with or without a page in the end."""
        for failed in tries:
            yield (
                self.ordinal,
                self._stream,
                request.position,
                url,
                failed.reason,
                failed.status,
                self._instant(failed.at),
                failed.seconds,
                failed.wait_s,
            )

    def rejects(self, line: Line, now: datetime) -> Iterator[tuple[Any, ...]]:
        """In the order of REJECT_COLUMNS."""
        page = line.page
        for reject in page.rejects:
            yield (
                self.ordinal,
                self._stream,
                page.request.window.member,
                page.request.position,
                reject.index,
                page.response.seq,
                reject.key,
                reject.path,
                reject.reason,
                reject.raw,
                self._instant(now),
            )

    def _instant(self, instant: datetime) -> datetime | str:
        return fixed_width(instant) if self._is_sqlite else instant


def row_identity(row: RowMapping | Mapping[str, Any]) -> Identity:
    """The identity of a stored line."""
    return row["member"], row["win_start"], row["win_end"], row["position"], row["attempt"]


def row_facts(row: RowMapping | Mapping[str, Any], kind: CursorKind) -> PageFacts:
    """The facts of a stored line, exactly as its page told them."""
    return PageFacts(
        count=row["items"],
        first_key=row["first_key"],
        last_key=row["last_key"],
        key_digests=bytes(row["key_digests"] or b""),
        digest=bytes(row["digest"] or b""),
        total_rows=row["total_rows"],
        total_pages=row["total_pages"],
        next_cursor=None if row["next_cursor"] is None else json.loads(row["next_cursor"]),
        next_link=row["next_link"],
        more=None if row["more"] is None else bool(row["more"]),
        token=row["token"],
        max_cursor=_cursor(row["max_cursor"], kind),
        min_cursor=_cursor(row["min_cursor"], kind),
        future_rows=row["future_rows"],
        outside_rows=row["outside_rows"],
        order_broken=row["order_broken"],
        refused=row["status"] if row["status"] >= 400 else None,
        unchanged=row["status"] == 304,
    )


def _cursor(text: str | None, kind: CursorKind) -> Cursor | None:
    return read_cursor(text, kind)
