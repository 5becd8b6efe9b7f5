"""Streams as the configuration describes them, checked and complete: what the other rooms trust.

`settings` builds these values from YAML and environment; nothing else does. Texts with `${...}` are already filled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from etl.model.feed import Feed
from etl.model.instants import MICROSECOND, Cursor, CursorFormat, CursorKind
from etl.model.member import ForEach
from etl.model.schema import ColumnType, Contract
from etl.model.selector import Selector
from etl.model.template import Body, Template, body_names
from etl.model.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where the items of a page are.

    `objects`: `path` selects the array (or one object, which is one item). `columns`: `path` selects an object of
    parallel arrays. `rows`: `path` selects an array of arrays whose names stand at `names`. `map`: `path` selects an
    object whose values are the items; its keys become the field `key_name`. `nested`: `path`, then `inner` in each.
    """

    kind: Literal["objects", "columns", "rows", "map", "nested"] = "objects"
    path: Selector
    names: Selector | None = None
    key_name: str = ""
    inner: Selector | None = None


class PagesKind(StrEnum):
    """How the next request differs."""

    NONE = "none"
    NUMBER = "number"
    OFFSET = "offset"
    CURSOR = "cursor"
    LINK = "link"
    UNDECLARED = "undeclared"
    """`pages` is missing: the first response is looked at, and the run stops if it seems to be paged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How to get from one page to the others, and what proves the end.

    `first` is the number of the first page or the first offset (CONFIG: `number: 1`, `offset: 0`), or the value of a
    cursor list's first page. `next` selects the next cursor or link. `more` selects `while`'s or `until`'s value;
    `more_means_end` is True for `until`. `size` is the page size asked for, None where the API decides.
    `cap` is the largest number of rows the API ever lists for one query.
    """

    kind: PagesKind
    first: object = None
    next: Selector | None = None
    size: int | None = None
    total_rows: Selector | None = None
    total_pages: Selector | None = None
    more: Selector | None = None
    more_means_end: bool = False
    merges: bool = False
    """The cursor is an object whose members go into the next query (or body), in place of those of the same name."""
    until_repeat: bool = False
    first_is_start: bool = False
    """The cursor of the first page is `{start}`: a feed is followed from its watermark on."""
    inclusive: bool = False
    cap: int | None = None
    max_pages: int = 100_000
    """Per chain; reaching it is `incomplete`, never success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """What marks a change. Durations apply to instants, `*_units` to number cursors.

    `field` is a path of the item. `start` is where the first run begins, None for "everything". `step` cuts backfills
    and first runs into windows. `inclusive` says that `{end}` itself is part of the answer (dates).
    """

    field: tuple[str, ...]
    format: CursorFormat
    start: Cursor | None = None
    step: timedelta | None = None
    step_units: int | None = None
    overlap: timedelta = timedelta(0)
    overlap_units: int = 0
    lag: timedelta = timedelta(minutes=5)
    delay: timedelta = timedelta(0)
    inclusive: bool = False

    def asked(self, window: Window) -> tuple[Cursor | None, Cursor | None]:
        """The bounds that a request for the window really has: what its format can express, rounded as it is sent."""
        low, high = window.start, window.end
        if self.format.kind is not CursorKind.INSTANT:
            return low, high
        unit = self.format.precision // MICROSECOND
        if low is not None:
            low = int(low) // unit * unit
        if high is not None:
            high = (int(high) - 1) // unit * unit + unit if self.inclusive else int(high) // unit * unit
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the list is sorted by, as far as its owner promises it. Nothing declared means the weakest."""

    by: tuple[tuple[str, ...], ...]
    descending: bool = False
    immutable: bool = False
    unique: bool = False
    append_only: bool = False
    binary_collation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """When a success is still bad. None switches a check off."""

    min_rows: int | None = None
    max_reject_share: float = 0.01
    fresh: timedelta | None = None
    complete: str | None = None
    """The weakest verdict that is good enough: `verified` or `consistent`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTemplate:
    """The request as the API's documentation shows it. `path` is joined to `base_url`; `form` excludes `json`."""

    method: str = "GET"
    path: Template
    params: tuple[tuple[str, Template], ...] = ()
    headers: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    json: Body = None
    form: tuple[tuple[str, Template], ...] = ()

    def names(self) -> frozenset[str]:
        """The roots of all placeholders of the request."""
        templates = [self.path, *(t for pairs in (self.params, self.headers, self.form) for _, t in pairs)]
        return body_names(self.json).union(*(template.names for template in templates))


class Write(StrEnum):
    """How rows land."""

    UPSERT = "upsert"
    APPEND = "append"
    REPLACE = "replace"


CONDITIONAL: Final = frozenset({"if-none-match", "if-modified-since"})
"""The headers that a server may answer with 304 (RFC 9110 13.1)."""

LIVE = "_live"
"""What the view of the rows that are not deleted is called, after its table."""


class DeletesKind(StrEnum):
    """How it is known that the API no longer has a row."""

    IGNORE = "ignore"
    INFER = "infer"
    """It was missing from a complete reading of the whole list."""
    FIELD = "field"
    """A field of the item is true, or set."""
    WHEN = "when"
    """A JMESPath is true for the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """What happens to rows that the API no longer has. `field` and `when` belong to the kinds of their names."""

    kind: DeletesKind = DeletesKind.IGNORE
    field: tuple[str, ...] = ()
    when: Selector | None = None

    @property
    def marked(self) -> bool:
        """Whether rows are kept and marked: the table has `_etl_deleted_at` and a view of the rows that live."""
        return self.kind is not DeletesKind.IGNORE


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """What the YAML says of one column: a declared type, or to drop it, or that it is volatile."""

    type: ColumnType | None = None
    drop: bool = False
    volatile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One list of a source. `fingerprint` changes with whatever changes which rows are asked for, or how they land."""

    source: str
    name: str
    table: str
    request: RequestTemplate
    records: Records
    pages: Paging
    key: tuple[tuple[str, ...], ...] = ()
    write: Write = Write.UPSERT
    columns: Mapping[str, ColumnChoice] = field(default_factory=dict)
    flatten: int = 0
    add: tuple[tuple[str, Template], ...] = ()
    incremental: Incremental | None = None
    for_each: ForEach | None = None
    feed: Feed | None = None
    """Instead of `incremental`, where no field of the items marks a change."""
    order: Order | None = None
    deletes: Deletes = field(default_factory=Deletes)
    contract: Contract = Contract.EVOLVE
    expect: Expect = field(default_factory=Expect)
    fail_if: Selector | None = None
    item_hook: str = ""
    """The function of the user's that every item passes through."""
    schedule: str | None = None
    tags: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    fingerprint: str = ""

    @property
    def id(self) -> str:
        """`source.stream`, as messages and JSON name it."""
        return f"{self.source}.{self.name}"

    def halves(self, window: Window) -> tuple[Window, ...]:
        """The window cut in two where its request can ask for each half; empty when it cannot be narrowed further."""
        incremental, names = self.incremental, self.request.names()
        if incremental is None or incremental.format.kind is CursorKind.TEXT or not {"start", "end"} <= names:
            return ()
        if window.start is None or window.end is None:
            return ()
        unit = incremental.format.precision // MICROSECOND if incremental.format.kind is CursorKind.INSTANT else 1
        low, high = int(window.start), int(window.end)
        middle = (low + high) // 2 // unit * unit
        if not low < middle < high:
            return ()
        return replace(window, end=middle), replace(window, start=middle)

    @property
    def conditional_headers(self) -> frozenset[str]:
        """The headers, in lower case, by which the token of a feed asks whether its one response changed at all."""
        if self.feed is None or self.pages.kind not in (PagesKind.NONE, PagesKind.UNDECLARED):
            return frozenset()
        asking = {name.lower() for name, template in self.request.headers if "start" in template.names}
        return CONDITIONAL & asking

    @property
    def comes_whole(self) -> bool:
        """Whether the token leaves nothing out: an answer is the whole list, or 304.

        An ETag can only be compared. By `If-Modified-Since` some APIs filter, whatever the standard says.
        """
        if "if-none-match" not in self.conditional_headers:
            return False
        templates = [self.request.path, *(t for pairs in (self.request.params, self.request.form) for _, t in pairs)]
        others = [template for name, template in self.request.headers if name.lower() != "if-none-match"]
        names = body_names(self.request.json).union(*(template.names for template in (*templates, *others)))
        return "start" not in names

    @property
    def comes_in_order(self) -> bool:
        """Whether the pages come one after the other, so that a deletion never arrives before what it deletes."""
        stepped = self.incremental is not None and "end" in self.request.names()
        return self.pages.kind not in (PagesKind.NUMBER, PagesKind.OFFSET) and not stepped

    @property
    def sweeps(self) -> bool:
        """Whether a complete reading of the whole list takes away the rows it did not bring."""
        return self.deletes.kind is DeletesKind.INFER or self.write is Write.REPLACE

    @property
    def asks_for_start(self) -> bool:
        """Whether the request restricts what it asks for by `{start}`; else rows are filtered after the download."""
        return self.pages.first_is_start or "start" in self.request.names()
