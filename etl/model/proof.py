"""How a reading of a stream can be proved complete: what its declarations allow, and which would allow more.

Pagination and verification both follow the mode: the one asks for the pages that the other needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from etl.model.instants import MICROSECOND, Cursor, CursorKind
from etl.model.stream import Order, PagesKind, Stream
from etl.model.window import Window

BACKWARD_ATTEMPT: Final = 4
"""The third pass of a bracketed list (attempts count two a pass) is read backwards, one page at a time."""

NUMBERED: Final = frozenset({PagesKind.NUMBER, PagesKind.OFFSET})
_PROMISES: Final = (
    (Order(by=(), unique=True, immutable=True), "unique: true, immutable: true"),
    (Order(by=(), append_only=True), "append_only: true"),
)


class ProofMode(StrEnum):
    """Which proof a reading aims at."""

    CHECKS = "checks"
    """No proof: the cheap checks."""
    KEYSET = "keyset"
    """Each page begins where the one before ended, by the value of its last row."""
    COVERAGE = "coverage"
    """Offsets that overlap by one row: neighbours touch when they share it."""
    PROBES = "boundary probes"
    """Numbered pages, and small ones of another size across each boundary between them."""
    BRACKET = "bracket"
    """The last page's first row is the same before and after all others: nothing before it moved."""
    CLOSED = "closed windows"
    """Windows that ended long enough ago can only lose rows, which a reading backwards survives."""


def proof_of(stream: Stream) -> ProofMode:
    """The strongest proof that the declarations allow.

    A filtered list is append-only only when it is filtered by what it is sorted by: any other row enters it in the
    middle when it changes.
    """
    order, pages = stream.order, stream.pages
    if order is None or not stream.key:
        return ProofMode.CHECKS
    fixed = order.immutable and order.unique
    if pages.kind is PagesKind.OFFSET and fixed:
        return ProofMode.COVERAGE
    if fixed and is_visible_keyset(stream, order):
        return ProofMode.KEYSET
    told = pages.total_rows is not None or pages.total_pages is not None
    filtered = (stream.incremental is not None or stream.feed is not None) and stream.asks_for_start
    by_cursor = stream.incremental is not None and order.by[:1] == (stream.incremental.field,)
    if pages.kind in NUMBERED and told and order.append_only and (not filtered or by_cursor):
        return ProofMode.BRACKET
    if pages.kind is PagesKind.NUMBER and fixed and has_variable_size(stream):
        return ProofMode.PROBES
    paged = pages.kind in NUMBERED or is_visible_keyset(stream, order)
    if paged and closes_windows(stream) and is_stable(stream, order):
        return ProofMode.CLOSED
    return ProofMode.CHECKS


def closes_windows(stream: Stream) -> bool:
    """Whether its windows have both ends in the request, and ends in time: then they can be over."""
    incremental = stream.incremental
    both = {"start", "end"} <= stream.request.names()
    return incremental is not None and incremental.format.kind is CursorKind.INSTANT and both


def is_stable(stream: Stream, order: Order) -> bool:
    """Rows that stay in a window keep their order: it is unique, and what it is made of cannot change there.

    A row whose cursor changes leaves the window, and a key stands for its row as long as there is one.
    """
    if not order.unique or stream.incremental is None:
        return False
    return order.immutable or set(order.by) <= {stream.incremental.field, *stream.key}


CLOCK_SLACK: Final = timedelta(minutes=1)
"""Two clocks, and the time a first answer takes, may differ by this much before a window counts as open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Which windows of a reading are over: those that had ended `lag` before it began.

    `began` is when the generation began, by our clock: a window that was open then is not closed by a resume.
    """

    stream: Stream
    began: Cursor | None = None

    def __call__(self, window: Window, behind: int = 0) -> bool:
        """`behind` is by how many microseconds the server's clock is behind ours."""
        incremental = self.stream.incremental
        if incremental is None or self.began is None or window.start is None or not closes_windows(self.stream):
            return False
        _, end = incremental.asked(window)
        return end is not None and int(end) <= int(self.began) - incremental.lag // MICROSECOND - behind


def last_closed(stream: Stream, now: int) -> int | None:
    """Where the newest window that is over may end, if windows of the stream are proved by being over."""
    incremental = stream.incremental
    if incremental is None or proof_of(stream) is not ProofMode.CLOSED:
        return None
    unit = incremental.format.precision // MICROSECOND
    return (now - (incremental.lag + CLOCK_SLACK) // MICROSECOND) // unit * unit


def has_variable_size(stream: Stream) -> bool:
    """Whether a request can ask for another number of rows than the declared one."""
    return stream.pages.size is not None and "size" in stream.request.names()


def is_visible_keyset(stream: Stream, order: Order) -> bool:
    """The next cursor is `RECORDS[-1].FIELD`, and FIELD alone is the declared order."""
    chosen = stream.pages.next
    if stream.pages.kind is not PagesKind.CURSOR or chosen is None or len(order.by) != 1:
        return False
    last_row = f"{stream.records.path.path.removeprefix('@')}[-1]"
    return chosen.path.removeprefix("@") == f"{last_row}.{'.'.join(order.by[0])}"


def promise(stream: Stream, *, descending: bool = False, binary: bool = False) -> str:
    """The `order:` line over the stream's key that would let a reading be proved; empty where none would.

    It is a promise of the API's owner, so it is only ever proposed. The weakest sufficient one comes first.
    """
    if len(stream.key) != 1:
        return ""
    for order, words in _PROMISES:
        if descending and order.append_only:
            continue  # newest first: rows come at its beginning
        if proof_of(replace(stream, order=replace(order, by=stream.key, descending=descending))) is ProofMode.CHECKS:
            continue
        text = ", collation: binary" if binary else ""
        return f"order: {{by: {'.'.join(stream.key[0])}, {words}{_way(descending)}{text}}}"
    return ""


def promise_by_cursor(stream: Stream, *, descending: bool = False) -> str:
    """The same over the cursor and the key, which is enough for windows that are over."""
    if stream.incremental is None or not stream.key:
        return ""
    order = Order(by=(stream.incremental.field, *stream.key), unique=True, descending=descending)
    if proof_of(replace(stream, order=order)) is ProofMode.CHECKS:
        return ""
    names = ", ".join(".".join(path) for path in order.by)
    return f"order: {{by: [{names}], unique: true{_way(descending)}}}"


def _way(descending: bool) -> str:
    return ", direction: desc" if descending else ""
