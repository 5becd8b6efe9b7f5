"""A page on its way: the request that names it, the response that brings it, what it says and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from etl.model.instants import Cursor
from etl.model.window import Window

Row = tuple[Any, ...]
"""The values of one row in the order of the schema's columns, in the types the database's driver wants."""


class Purpose(StrEnum):
    """Why a page is asked for."""

    READ = "read"
    PROBE = "probe"
    """Asked only for the proof; its rows are stored all the same, they are newer."""
    REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One page to ask for. `position` is its identity inside the window, and stable across processes.

    Exactly one of `page`, `offset`, `cursor`, `link` is set, none of them for the first page of a chain or a list
    without pages. `ordinal` counts the pages of a window from 0. `planned` is how many pages the strategy knew of
    when it named this one (0: unknown), `size` the value of `{size}` (0: the declared one).
    """

    window: Window
    position: str
    ordinal: int = 0
    page: int | None = None
    offset: int | None = None
    cursor: object = None
    link: str | None = None
    size: int = 0
    stride: int = 0
    """The number of items a full page of this list holds, as its first page showed (0: unknown)."""
    planned: int = 0
    may_be_past_end: bool = False
    """Nobody said that this page exists: an answer such as 404 means that the list ended before it."""
    purpose: Purpose = Purpose.READ
    attempt: int = 0
    """0 for the first reading of this position in a generation; each repair or probe counts one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete answer: its body is whole, decompressed and within its cap.

    Its status is below 300, 304 with an empty body for a list that did not change, or from 400 with an empty body for a
    page that turned out to be past the end.
    """

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    """As sent, credentials masked: fit for messages and the ledger."""
    head: Mapping[str, str] = field(default_factory=dict)
    """The headers of a HEAD request for the same URL, where the stream asks for them."""
    links: Mapping[str, str] = field(default_factory=dict)
    """`rel` to absolute URL, from the Link header; credentials masked as in `url`, re-added when sent."""
    served_at: datetime | None = None
    """The `Date` header, None where there is none or it cannot be read."""
    started_at: datetime
    seconds: float = 0.0
    first_byte_s: float = 0.0
    wire_bytes: int = 0
    seq: int = 0
    """Order in which the requests of this run were started; the newer of two versions has the larger one."""


class SortedBy(StrEnum):
    """An order that nobody declared, and the rows of a page are in."""

    KEY = "key"
    KEY_DOWN = "key, descending"
    CURSOR = "cursor, then key"
    CURSOR_DOWN = "cursor, then key, descending"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What a page says about the list. The ledger keeps it, so that proofs and resumes need no page again."""

    count: int
    """Items on the page, rejects included."""
    first_key: str | None = None
    last_key: str | None = None
    """The keys of the first and last item as JSON text; None without a key or when the item is a reject."""
    key_digests: bytes = b""
    """8 bytes a key in page order, big-endian; rejects whose key is readable included."""
    digest: bytes = b""
    """8 bytes over the keys in their order (over the body without keys): equal for a repeated page."""
    total_rows: int | None = None
    total_pages: int | None = None
    next_cursor: object = None
    next_link: str | None = None
    token: str | None = None
    """The opaque token of a feed, as text."""
    more: bool | None = None
    """What `while` or `until` says: False at the end. None when neither is configured."""
    max_cursor: Cursor | None = None
    min_cursor: Cursor | None = None
    future_rows: int = 0
    order_broken: str = ""
    """Where the page contradicts the declared order, in one line; empty when it holds or cannot be checked."""
    sorted_by: frozenset[SortedBy] = frozenset()
    """Where no order is declared, those its rows are strictly in. A hint hangs on it and no proof, so that the ledger
    does not keep it."""
    outside_rows: int = 0
    """Rows outside the window's bounds; above zero the server ignored the filter or includes its bound."""
    refused: int | None = None
    """The status that refused a page nobody promised, 404 where the answer was 204; None for a page that came.

    404, 410 and 416 say that the list ended; 400 and 422 may be the depth beyond which the API lists no more.
    """
    unchanged: bool = False
    """The answer was 304: the list is what it was when the token that was sent was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """An item that did not become a row. `index` counts from 0 in its page; `raw` is its JSON, capped at 64 KiB."""

    index: int
    reason: str
    path: str
    raw: bytes
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBlock:
    """The rows of a page in parallel lists, all of `version` of the schema."""

    version: int
    rows: list[Row]
    keys: list[Row]
    """The key's values of each row, in the schema's key order and the driver's types."""
    hashes: list[bytes]
    """16 bytes over the named non-null values of a row, volatile columns left out."""
    cursors: list[Cursor | None]
    gone: frozenset[int] = frozenset()
    """Indices of the rows whose items say that they are deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTry:
    """A try of a request that brought no page. Kept with the request for `etl_requests`."""

    reason: str
    status: int | None
    seconds: float
    wait_s: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which rows of a page are wanted: the first `rows` (None: all), and only those inside the window.

    It stays with the page, because a page may be decoded again under a newer schema before it is written.
    """

    rows: int | None = None
    inside: bool = False

    def chosen(self, block: RowBlock, window: Window) -> RowBlock:
        """The rows of the block that are wanted; the block itself when all are."""
        wanted = range(len(block.rows)) if self.rows is None else range(min(self.rows, len(block.rows)))
        places = [n for n in wanted if not self.inside or window.covers(block.cursors[n])]
        if len(places) == len(block.rows):
            return block
        return RowBlock(
            version=block.version,
            rows=[block.rows[n] for n in places],
            keys=[block.keys[n] for n in places] if block.keys else [],
            hashes=[block.hashes[n] for n in places],
            cursors=[block.cursors[n] for n in places] if block.cursors else [],
            gone=frozenset(place for place, n in enumerate(places) if n in block.gone),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One decoded page, on its way from the client to the writer."""

    request: PageRequest
    response: Response
    facts: PageFacts
    block: RowBlock
    rejects: tuple[Reject, ...] = ()
    failed_tries: tuple[FailedTry, ...] = ()
    keep: Keep | None = None

    @property
    def weight(self) -> int:
        """Bytes the page is reckoned with in the writer's buffer: its body, and its rows, which are larger still."""
        rows = self.block.rows
        cells = len(rows) * len(rows[0]) if rows else 0
        return 2 * len(self.response.body) + 64 * cells + 4096
