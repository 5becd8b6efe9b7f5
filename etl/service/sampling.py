"""The first pages of a stream, and what they show: whether the paging turns pages, the key is one, the order holds.

Easy to get wrong: two pages of a numbered list are named by the first one, so the request after the second stands in
what the first one left over; and text is sorted by rules that only the server knows, so its order is never judged.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, pairwise
from typing import Any

from etl.errors import EtlError, RequestRefused
from etl.listeners.figures import several
from etl.model.instants import to_micros
from etl.model.member import Member
from etl.model.page import Page, PageRequest
from etl.model.proof import ProofMode, promise, promise_by_cursor, proof_of
from etl.model.stream import PagesKind, Stream
from etl.model.window import Window
from etl.probe.rows import find_rows
from etl.service.app import Sampler
from etl.service.planning import plan_sync

_DIGEST = 8
_ORDERED = (int, float, Decimal, date, datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Pages in the order in which they were asked for. `next` is what would be asked for after them.

    `end` is the error that kept the next page from coming; the pages before it stand. `empty` windows were looked at
    before this one.
    """

    window: Window
    pages: tuple[Page, ...]
    empty: int = 0
    next: PageRequest | None = None
    end: EtlError | None = None

    @property
    def has_items(self) -> bool:
        """Whether anything came, be it rejected."""
        return any(page.facts.count for page in self.pages)


def sample_windows(stream: Stream, now: datetime, member: Member | None = None) -> tuple[Window, ...]:
    """What a first run would read, in the order in which to look for rows.

    Of several slices first the newest whole one, where they most likely are; then all of them as one, which some APIs
    refuse; then the open one, the oldest, and the middle.
    """
    slices = plan_sync(stream, None, full=False, now=now).windows
    whole = Window(start=slices[0].start, end=slices[-1].end)
    order = (slices[-2:][0], whole, slices[-1], slices[0], slices[len(slices) // 2])
    return tuple(dict.fromkeys(window if member is None else window.of(member) for window in order))


async def take_rows(sampler: Sampler, windows: Sequence[Window], most: int) -> Taken:
    """`take` of the first of the windows that holds a row, of the first one where none does."""
    first: Taken | None = None
    for empty, window in enumerate(windows):
        try:
            taken = await take(sampler, window, most)
        except RequestRefused:
            if first is None:
                raise
            continue
        if taken.has_items:
            return replace(taken, empty=empty)
        first = first or taken
    assert first is not None  # there is a window, and its first page came
    return replace(first, empty=len(windows) if len(windows) > 1 else 0)


async def take(sampler: Sampler, window: Window, most: int) -> Taken:
    """Fetch at most `most` pages of a window, one at a time. Raises what the first page raises."""
    rest: deque[Iterator[PageRequest]] = deque([iter((sampler.pages.first(window),))])
    pages: list[Page] = []
    end: EtlError | None = None
    request = _pop(rest)
    while request is not None and len(pages) < most and end is None:
        try:
            page = await sampler.fetch(request)
            pages.append(page)
            rest.append(iter(sampler.pages.following(request, page.facts)))
            request = _pop(rest)
        except EtlError as error:
            if not pages:
                raise
            end = error
    again = tuple(map(sampler.again, pages))
    return Taken(window=window, pages=again, next=None if end is not None else request, end=end)


def _pop(rest: deque[Iterator[PageRequest]]) -> PageRequest | None:
    while rest:
        request = next(rest[0], None)
        if request is not None:
            return request
        rest.popleft()
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the sample shows. `grade` is `ok`, `warning` or `problem`."""

    grade: str
    text: str
    hint: str = ""


def page_two(stream: Stream, taken: Taken) -> Finding:
    """Whether the second page brought rows that the first one did not: the proof that the paging is right."""
    first = taken.pages[0]
    if len(taken.pages) < 2:
        if taken.end is not None:
            return Finding(grade="problem", text=f"page 2: {taken.end}", hint=taken.end.hint)
        return _one_page(first)
    second = taken.pages[1]
    if not second.facts.count:
        return Finding(grade="ok", text=f"page 2 is empty: the list ends after {several(first.facts.count, 'row')}")
    shared, fresh = _shared(first, second)
    if not fresh:
        return Finding(
            grade="problem",
            text=f"page 2 ({second.request.position[:60]}) holds the rows of page 1 again",
            hint="compare the parameter that turns the page with the API's documentation",
        )
    told = f"page 2 brings {several(fresh, 'new row')}, {shared:,} repeated"
    if shared > _expected_overlap(stream, second):
        return Finding(
            grade="warning",
            text=f"{told}: the list moved, or its order is not stable",
            hint="sort by a unique field that never changes",
        )
    return Finding(grade="ok", text=f"{told}: paging proven")


def records_finding(stream: Stream, taken: Taken) -> Finding | None:
    """Where the whole answer became one item, and that item is the frame around a list; None where all is well."""
    whole_body = stream.records.kind == "objects" and stream.records.path.plain == ()
    is_detail = stream.for_each is not None and stream.for_each.rows is not None
    first = taken.pages[0]
    if not whole_body or is_detail or first.facts.count != 1:
        return None
    with suppress(ValueError, RecursionError):
        body = json.loads(first.response.body)
        place = find_rows(body, stream.name)
        rows = place.rows(body) if place is not None and place.path and place.shape == "objects" else None
        if place is not None and rows is not None and len(rows) > 1:
            return Finding(
                grade="warning",
                text=f"the whole answer is one item, and it holds a list of {several(len(rows), 'object')}",
                hint=f"if those are the rows, write records: {place.selector}",
            )
    return None


def _one_page(page: Page) -> Finding:
    count, total = page.facts.count, page.facts.total_rows
    if total is not None and total > count:
        return Finding(
            grade="problem",
            text=f"the API tells {total:,} rows, page 1 brought {count:,}, and nothing names page 2",
            hint="look at `pages`",
        )
    if not count:
        return Finding(grade="warning", text="no row came: nothing can be told of the paging")
    return Finding(grade="ok", text="one page holds " + ("the only row" if count == 1 else f"all {count:,} rows"))


def _shared(first: Page, second: Page) -> tuple[int, int]:
    """How many keys of the second page the first one held already, and how many are new."""
    if not second.facts.key_digests:
        same = bool(second.facts.digest) and first.facts.digest == second.facts.digest
        return (second.facts.count, 0) if same else (0, second.facts.count)
    old, new = set(_digests(first)), set(_digests(second))
    return len(new & old), len(new - old)


def _expected_overlap(stream: Stream, second: Page) -> int:
    """What a proof, or an inclusive cursor, brings twice."""
    return second.request.size or (1 if proof_of(stream) is ProofMode.COVERAGE or stream.pages.inclusive else 0)


def _digests(page: Page) -> list[bytes]:
    packed = page.facts.key_digests
    return [packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST)]


def key_finding(stream: Stream, taken: Taken) -> Finding | None:
    """Whether the declared key tells the rows of each page apart; None without a key or without a row."""
    pages = [_digests(page) for page in taken.pages]
    count = sum(map(len, pages))
    if not stream.key or not count:
        return None
    name = ", ".join(".".join(path) for path in stream.key)
    twice = count - sum(len(set(page)) for page in pages)
    if twice:
        return Finding(
            grade="problem",
            text=f"key {name} is not unique: {several(twice, 'row')} of {count:,} share it with another",
            hint="one row per key is kept; declare a key that is unique, such as [id, version]",
        )
    return Finding(grade="ok", text=f"key {name} is unique in {several(count, 'row')}")


def order_finding(stream: Stream, taken: Taken) -> Finding:
    """The declared order against the sample; where none is declared, the one that was seen."""
    numbered = stream.pages.kind in (PagesKind.NUMBER, PagesKind.OFFSET)
    if stream.order is None:
        return _undeclared(stream, taken, numbered)
    by = ", ".join(".".join(path) for path in stream.order.by)
    broken = next((page.facts.order_broken for page in taken.pages if page.facts.order_broken), "")
    if broken:
        return Finding(
            grade="problem",
            text=f"the declared order by {by} does not hold: {broken}",
            hint="ask the API to sort, or take `order` out: a run would lose its proof",
        )
    mode = proof_of(stream)
    if mode is not ProofMode.CHECKS:
        return Finding(grade="ok", text=f"order by {by} holds; a run can be verified ({mode})")
    if numbered and not stream.order.unique:
        return Finding(
            grade="warning",
            text=f"sorted by {by}, which is not declared unique: a numbered list in that order cannot be verified",
            hint="sort by a unique field that never changes: order: {by: id, unique: true, immutable: true}",
        )
    return Finding(grade="ok", text=f"order by {by} holds; a run can be consistent at best")


def _undeclared(stream: Stream, taken: Taken, numbered: bool) -> Finding:
    key = _direction([[_single(values) for values in page.block.keys] for page in taken.pages])
    if key and len(stream.key) == 1:
        name = ".".join(stream.key[0])
        return Finding(
            grade="ok",
            text=f"no order declared, {name} {key} seen: a run can be consistent at best",
            hint=_if_promised(promise(stream, descending=key == "descending")),
        )
    cursor = _direction([page.block.cursors for page in taken.pages])
    if cursor and stream.incremental is not None and numbered:
        return Finding(
            grade="warning",
            text=f"sorted by {'.'.join(stream.incremental.field)}, which is not unique: "
            "a numbered list in that order cannot be verified",
            hint=_if_promised(promise_by_cursor(stream, descending=cursor == "descending"))
            or "ask the API to sort by a unique field that never changes",
        )
    return Finding(grade="ok", text="no order declared: a run can be consistent at best")


def _if_promised(line: str) -> str:
    return f"if the API promises it, runs can be verified: {line}" if line else ""


def _single(values: Sequence[Any]) -> object:
    return values[0] if len(values) == 1 else None


def _direction(pages: Sequence[Sequence[object]]) -> str:
    """`ascending` or `descending` where every page of at least two different values is so, else empty."""
    values = list(chain.from_iterable(pages))
    if len(set(values)) < 2 or not all(isinstance(value, _ORDERED) for value in values):
        return ""
    pairs = [pair for page in pages for pair in pairwise(map(_number, page))]
    if all(low <= high for low, high in pairs):
        return "ascending"
    return "descending" if all(low >= high for low, high in pairs) else ""


def _number(value: object) -> Any:
    return to_micros(value) if isinstance(value, datetime) else value
