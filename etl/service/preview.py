"""`etl preview`: the first rows of a stream as a sync would store them, and their requests; keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from etl.errors import UsageError
from etl.model.instants import to_micros
from etl.model.member import Member
from etl.model.page import Page, Row
from etl.model.schema import Column
from etl.model.secret import Redactor
from etl.model.spelled import SpelledRequest
from etl.model.stream import Stream
from etl.model.window import Window
from etl.query.cells import shown
from etl.service.app import Sampler, Scout
from etl.service.first_member import first_member, unasked_member
from etl.service.planning import plan_slice, read_bound
from etl.service.sampling import Finding, Taken, page_two, records_finding, sample_windows, take_rows
from etl.settings import select

_RETRIES = 1
_SAMPLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOptions:
    """What to look at. `rows` and `pages` are upper bounds; `since` and `until` are bounds as a person types them."""

    selector: str
    rows: int = 20
    pages: int = 2
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One page that came."""

    position: str
    status: int
    items: int
    bytes: int
    seconds: float
    total_rows: int | None
    total_pages: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownColumn:
    """A column as the sample shows it. `sample` is its first value that is not null, cut short."""

    name: str
    type: str
    declared: bool
    key: bool
    sample: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReject:
    """An item that would not become a row."""

    position: str
    item: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What came. `next` is the request that a sync would send after these, None at the end of the list."""

    stream: str
    table: str
    request: SpelledRequest
    answers: tuple[Answer, ...]
    empty: int
    """Windows that were looked at before, and held nothing."""
    paging: Finding
    columns: tuple[ShownColumn, ...]
    rows: tuple[Row, ...]
    rejects: tuple[ShownReject, ...]
    next: SpelledRequest | None
    failure: str = ""


def one_stream(scout: Scout, selector: str) -> Stream:
    """The stream a selector means. Raises UsageError when it means several."""
    found = select(scout.settings.streams, (selector,))
    if len(found) != 1:
        names = ", ".join(stream.id for stream in found[:8])
        raise UsageError(f"{selector!r} means {len(found)} streams", hint=f"name one of {names}")
    return found[0]


async def spell(scout: Scout, options: PreviewOptions) -> SpelledRequest:
    """The first request of a stream, without sending it; variables that are not set stay as `${NAME}`."""
    stream = one_stream(scout, options.selector)
    window = _windows(scout, stream, options, unasked_member(stream))[0]
    async with scout.open_source(scout.settings.sources[stream.source], concurrency=1) as opened:
        sampler = scout.sample(opened, stream)
        return sampler.spelled(sampler.pages.first(window))


async def preview(scout: Scout, options: PreviewOptions) -> Preview:
    """Fetch the first pages of a stream. Raises UsageError, ConfigError, and what the first page raises."""
    stream = one_stream(scout, options.selector)
    scout.settings.require_secrets((stream,))
    source = scout.settings.sources[stream.source]
    source = replace(source, limits=replace(source.limits, retries=min(source.limits.retries, _RETRIES)))
    async with scout.open_source(source, concurrency=1) as opened:
        windows = _windows(scout, stream, options, await first_member(scout, opened, stream))
        sampler = scout.sample(opened, stream)
        taken = await take_rows(sampler, windows, options.pages)
        found = _preview(stream, sampler, taken, options.rows)
    return replace(found, rows=tuple(_masked(row, scout.settings.redactor) for row in found.rows))


def _windows(scout: Scout, stream: Stream, options: PreviewOptions, member: Member | None) -> tuple[Window, ...]:
    now = scout.clock.now()
    if options.since is None and options.until is None:
        return sample_windows(stream, now, member)
    if options.since is None:
        raise UsageError("--to needs a --from")
    start = read_bound(stream, options.since, now=now)
    end = to_micros(now) if options.until is None else read_bound(stream, options.until, now=now)
    window = plan_slice(start, end).windows[0]
    return (window if member is None else window.of(member),)


def _preview(stream: Stream, sampler: Sampler, taken: Taken, most: int) -> Preview:
    columns = sampler.schema.columns
    rows = [row for page in taken.pages for row in page.block.rows]
    return Preview(
        stream=stream.id,
        table=stream.table,
        request=sampler.spelled(sampler.pages.first(taken.window)),
        empty=taken.empty,
        answers=tuple(map(_answer, taken.pages)),
        paging=_paging(stream, taken),
        columns=tuple(_column(at, column, rows, sampler.schema.key) for at, column in enumerate(columns)),
        rows=tuple(rows[:most]),
        rejects=tuple(
            ShownReject(position=page.request.position, item=reject.index, path=reject.path, reason=reject.reason)
            for page in taken.pages
            for reject in page.rejects
        ),
        next=None if taken.next is None else sampler.spelled(taken.next),
        failure="" if taken.end is None else str(taken.end),
    )


def _masked(row: Row, redactor: Redactor) -> Row:
    """Some APIs answer with the key they were asked with."""
    return tuple(redactor(value) if isinstance(value, str) else value for value in row)


def _paging(stream: Stream, taken: Taken) -> Finding:
    """The proof, where a second page was asked for at all; paging a frame instead of its rows proves nothing."""
    framed = records_finding(stream, taken)
    if framed is not None:
        return framed
    if len(taken.pages) < 2 and taken.next is not None:
        return Finding(grade="warning", text="only one page was asked for: paging is not proven")
    return page_two(stream, taken)


def _answer(page: Page) -> Answer:
    return Answer(
        position=page.request.position,
        status=page.response.status,
        items=page.facts.count,
        bytes=len(page.response.body),
        seconds=page.response.seconds,
        total_rows=page.facts.total_rows,
        total_pages=page.facts.total_pages,
    )


def _column(at: int, column: Column, rows: list[Row], key: tuple[str, ...]) -> ShownColumn:
    value = next((row[at] for row in rows if row[at] is not None), None)
    sample = shown(value)
    return ShownColumn(
        name=column.name,
        type=str(column.type),
        declared=column.declared,
        key=column.name in key,
        sample=sample if len(sample) <= _SAMPLE else sample[: _SAMPLE - 1] + "…",
    )


def as_fields(spelled: SpelledRequest) -> Mapping[str, object]:
    """A request for `--json`."""
    return {
        "method": spelled.method,
        "url": spelled.url,
        "headers": dict(spelled.headers),
        "body": spelled.body,
        "curl": spelled.curl,
    }
