"""`etl check`: from the configuration to the API, one fact at a time, and nothing kept.

What needs no network comes first, so that a missing secret is told before anybody waits for a timeout.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus

from etl.db.engines import busy_timeout_from
from etl.db.health import Health, examine, open_existing
from etl.errors import AuthRefused, EtlError, GaveUp, SourceFailed, SourceUnavailable
from etl.listeners.figures import several, size
from etl.model.events import Event, QuotaSeen, RequestRetried, Warned
from etl.model.page import Page
from etl.model.source import Source
from etl.model.stream import PagesKind, Stream
from etl.ports import Clock
from etl.service.app import OpenedSource, Scout
from etl.service.choice import Selection, choose
from etl.service.facts import Fact, Grade, problem_fact
from etl.service.first_member import first_member
from etl.service.sampling import (
    Finding,
    key_finding,
    order_finding,
    page_two,
    records_finding,
    sample_windows,
    take_rows,
)
from etl.settings import Settings

SKEW = timedelta(seconds=30)
"""Beyond it the server's clock, or ours, is worth a warning."""
LOW_DISK = 1_000_000_000
LOW_QUOTA = 0.05
_RETRIES = 1
_ANSWERED = re.compile("[45][0-9][0-9]")


@dataclass(slots=True)
class Notes:
    """A listener that keeps what the answers say by the way; give it to `open_scout`."""

    quotas: dict[str, QuotaSeen] = field(default_factory=dict)
    retries: list[RequestRetried] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        match event:
            case QuotaSeen():
                self.quotas[event.source] = event
            case RequestRetried():
                self.retries.append(event)
            case Warned():
                self.warnings.append(event)
            case _:
                pass


def settings_facts(settings: Settings, streams: Iterable[Stream]) -> Iterator[Fact]:
    """The configuration and its variables, as far as the chosen streams need them."""
    count, sources = len(settings.streams), len(settings.sources)
    if not count:
        hint = "etl init URL writes one, etl demo shows one"
        yield Fact(grade=Grade.PROBLEM, about="config", text=f"no stream in {settings.config}", hint=hint)
        return
    told = f"{several(sources, 'source')}, {several(count, 'stream')} in {settings.config}, no unknown key"
    yield Fact(grade=Grade.OK, about="config", text=told)
    for stream in streams:
        if stream.pages.kind is PagesKind.UNDECLARED and not _is_detail(stream):
            place = f"{stream.file}:{stream.line}"
            text = f"{stream.id}: `pages` is not declared, {place}"
            hint = (
                "a run stops when the first answer looks like one page of many; `etl init URL` finds the line to write"
            )
            yield Fact(grade=Grade.WARNING, about="config", text=text, hint=hint)
    owners = dict.fromkeys(owner for stream in streams for owner in (stream.source, stream.id))
    missing = dict.fromkeys(problem for owner in owners for problem in settings.missing.get(owner, ()))
    for problem in missing:
        yield problem_fact("secrets", problem)
    for name, described in settings.variables.items():
        yield Fact(grade=Grade.OK, about="secrets", text=f"{name} is set ({described})")


def _is_detail(stream: Stream) -> bool:
    """One call for each row of another stream; the answer is the row, and a run looks whether it really is one."""
    whole_body = stream.records.kind == "objects" and stream.records.path.plain == ()
    return whole_body and stream.for_each is not None and stream.for_each.rows is not None


async def database_fact(url: str, clock: Clock, environ: Mapping[str, str]) -> Fact:
    """Whether the database opens and can be written."""
    try:
        health = await examine(url, clock=clock, busy_timeout_s=busy_timeout_from(environ))
    except EtlError as error:
        return Fact(grade=Grade.PROBLEM, about="database", text=str(error), hint=error.hint, code=error.code)
    full = health.free is not None and health.free < LOW_DISK
    grade, hint = (Grade.WARNING, "the disk is nearly full") if full else (Grade.OK, "")
    return Fact(grade=grade, about="database", text=", ".join(_health_words(health)), hint=hint)


def _health_words(health: Health) -> Iterator[str]:
    yield health.label
    if not health.version:
        yield "not there yet: the first sync makes it"
    else:
        yield f"version {health.version}"
        yield "writable"
    if health.size is not None:
        yield size(health.size)
    if health.free is not None:
        yield f"{size(health.free)} free"
    if health.version:
        yield _tables_words(health)


def _tables_words(health: Health) -> str:
    if health.revision is None:
        return "no state tables yet: the first sync makes them"
    if health.is_current:
        return f"state tables of revision {health.revision}"
    return f"state tables of revision {health.revision}, which the next sync brings up to date"


async def source_facts(scout: Scout, streams: Iterable[Stream], notes: Notes) -> AsyncIterator[Fact]:
    """Ask every source: at most two requests a stream, one after the other."""
    by_source: dict[str, list[Stream]] = {}
    for stream in streams:
        by_source.setdefault(stream.source, []).append(stream)
    for name, chosen in by_source.items():
        if any(scout.settings.missing.get(owner) for owner in (name, *(stream.id for stream in chosen))):
            yield Fact(grade=Grade.WARNING, about=name, text="not asked: a variable it needs is not set")
            continue
        source = _impatient(scout.settings.sources[name])
        async with scout.open_source(source, concurrency=1) as opened:
            answered = closed = False
            for place, stream in enumerate(chosen, 1):
                async for fact in _stream_facts(scout, opened, stream, notes, first=not answered):
                    answered = answered or fact.about == name
                    closed = fact.closed and not answered
                    yield fact
                if closed and place < len(chosen):
                    # Each would spend its tries and its deadline on the same closed door.
                    rest = several(len(chosen) - place, "more stream")
                    text = f"{rest} not asked: the same would happen to them"
                    yield Fact(grade=Grade.WARNING, about=name, text=text, online=True)
                    break


def _impatient(source: Source) -> Source:
    """Somebody is waiting for the answer; a run has more patience."""
    return replace(source, limits=replace(source.limits, retries=min(source.limits.retries, _RETRIES)))


async def _stream_facts(
    scout: Scout, opened: OpenedSource, stream: Stream, notes: Notes, *, first: bool
) -> AsyncIterator[Fact]:
    sampler = scout.sample(opened, stream)
    try:
        member = await first_member(scout, opened, stream)
        taken = await take_rows(sampler, sample_windows(stream, scout.clock.now(), member), 2)
    except EtlError as error:
        text, code, closed = str(error).removeprefix(f"{stream.id}: "), error.code, _is_closed(error)
        yield Fact(
            grade=Grade.PROBLEM, about=stream.id, text=text, hint=error.hint, code=code, online=True, closed=closed
        )
        return
    if first:
        yield _access(stream.source, taken.pages[0], notes)
    if not taken.has_items:
        where = f" from {several(taken.empty, 'window')}" if taken.empty else ""
        text = f"no row came{where}: nothing more can be told"
        yield Fact(grade=Grade.WARNING, about=stream.id, text=text, online=True)
        return
    yield _of_finding(stream, page_two(stream, taken))
    rejects, key, order = _rejects(taken.pages), key_finding(stream, taken), order_finding(stream, taken)
    for finding in (records_finding(stream, taken), rejects, key, order):
        if finding is not None:
            yield _of_finding(stream, finding)


def _is_closed(error: EtlError) -> bool:
    """Whether the whole source is meant: it cannot be reached, or knows us not. A 403, or a 500, may be one list's."""
    if isinstance(error, AuthRefused):
        return error.status != HTTPStatus.FORBIDDEN
    if error.code == SourceFailed.code:  # a certificate, a header that cannot be sent
        return True
    cause = error.__cause__
    return isinstance(error, GaveUp) and isinstance(cause, SourceUnavailable) and not _ANSWERED.match(cause.reason)


def _access(source: str, page: Page, notes: Notes) -> Fact:
    """The first answer of a source: status, latency, retries, quota, clock."""
    response = page.response
    words = [f"{response.status} in {response.seconds:.3f} s"]
    retried = [event.reason for event in notes.retries if event.stream.startswith(f"{source}.")]
    if retried:
        words.append(f"{several(len(retried), 'failed try')} before ({', '.join(dict.fromkeys(retried))})")
    quota = notes.quotas.get(source)
    low = False
    if quota is not None:
        words.append(f"quota {quota.remaining:,}" + (f" of {quota.limit:,}" if quota.limit else " left"))
        low = quota.limit is not None and quota.remaining < quota.limit * LOW_QUOTA
    skew = _skew(page)
    if skew is not None:
        words.append(f"clock skew {abs(skew):.1f} s")
    warned = [event.message for event in notes.warnings if event.stream == source]
    words += warned
    skewed = skew is not None and abs(skew) > SKEW.total_seconds()
    hints = (
        *(("set this machine's clock, or tell the API's owner",) if skewed else ()),
        *(("the quota is nearly used up",) if low else ()),
    )
    grade = Grade.WARNING if hints or retried or warned else Grade.OK
    return Fact(grade=grade, about=source, text=", ".join(words), hint="; ".join(hints), online=True)


def _skew(page: Page) -> float | None:
    """Seconds that the server's clock is ahead of ours; its `Date` has whole seconds, so half of one is added."""
    response = page.response
    if response.served_at is None:
        return None
    middle = response.started_at + timedelta(seconds=response.seconds / 2)
    ahead = (response.served_at - middle).total_seconds() + 0.5
    return 0.0 if abs(ahead) <= 0.5 else ahead


def _rejects(pages: Iterable[Page]) -> Finding | None:
    rejects = [reject for page in pages for reject in page.rejects]
    if not rejects:
        return None
    first = rejects[0]
    where = f" at {first.path}" if first.path else ""
    return Finding(
        grade="warning",
        text=f"{several(len(rejects), 'item')} would be rejected: {first.reason}{where}",
        hint="is `key` right, and do `records` lead to the items?"
        if first.reason.startswith("key is ")
        else "`etl preview` shows them; `columns:` declares types",
    )


def _of_finding(stream: Stream, finding: Finding) -> Fact:
    return Fact(grade=Grade(finding.grade), about=stream.id, text=finding.text, hint=finding.hint, online=True)


async def chosen(scout: Scout, selection: Selection, url: str | None) -> tuple[Stream, ...]:
    """The selected streams; none where nothing is configured, which is a fact of its own.

    The database at `url` is opened only where it has to tell which streams failed or are late.
    """
    if not scout.settings.streams:
        return ()
    if url is None or not selection.asks_history:
        return await choose(scout.settings, selection, None, scout.clock)
    async with open_existing(url, clock=scout.clock) as database:
        return await choose(scout.settings, selection, database, scout.clock)
