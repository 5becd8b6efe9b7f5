"""`etl backfill`: read a past range again, slice by slice.

Every slice takes the lease for itself, so that the schedule is not starved, and ends with its own finalising
transaction. The watermark is never moved, so a backfill can be stopped, resumed and repeated at any time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from etl import __version__
from etl.errors import UsageError
from etl.model.events import RunStarted, Warned
from etl.model.run import Counts, RunKind, RunResult, RunStatus, RunTrigger, StreamResult, exit_code
from etl.model.stream import Stream
from etl.model.verdict import Verdict
from etl.ports import Stop
from etl.runs import Backfill, Backfills, Catalog, Slice
from etl.runs.backfills import Only
from etl.runs.watermark import show
from etl.service.app import App
from etl.service.cut_off import recorded
from etl.service.planning import read_bound, slice_bounds
from etl.service.stream_run import Job, run_stream
from etl.service.sync import end_run
from etl.settings import select


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions:
    """A stream and a range, or the id of a backfill to continue. Bounds are as a person types them."""

    selector: str | None = None
    start: str | None = None
    end: str | None = None
    step: str | None = None
    resume: str | None = None
    only: Only = "missing"
    dry_run: bool = False


async def backfill(app: App, options: BackfillOptions, stop: Stop) -> RunResult:
    """Read the slices that are wanted, oldest first; the result has one line, the sum of them.

    Raises UsageError before anything is sent.
    """
    if options.dry_run and options.resume is None:
        return _dry_run(app, options)
    plan, stream = await _plan(app, options)
    app.settings.require_secrets((stream,))
    wanted = await Backfills(app.database, app.clock).slices(plan, only=options.only, members=_members(stream))
    if options.dry_run:
        return _listed(app, stream, [(one.start, one.end) for one in wanted])
    return await _run(app, plan, stream, wanted, stop)


def _members(stream: Stream) -> tuple[str, ...]:
    """Whose coverage counts. Of members that are rows nobody knows all, so a slice counts as read when it was."""
    if stream.for_each is None:
        return ("",)
    return () if stream.for_each.rows is not None else tuple(member.name for member in stream.for_each.members())


async def _plan(app: App, options: BackfillOptions) -> tuple[Backfill, Stream]:
    """The stored backfill to work on: a new one, the one that is resumed, or an unfinished one of the same range."""
    backfills = Backfills(app.database, app.clock)
    if options.resume is not None:
        plan = await backfills.find(options.resume)
        stream = _one(app, plan.stream)
        if plan.fingerprint != stream.fingerprint:
            raise UsageError(
                f"{stream.id} is configured differently since the backfill {plan.backfill_id} began",
                hint="begin a new one with --from and --to",
            )
        return plan, stream
    stream, bounds = _asked(app, options)
    assert stream.incremental is not None  # `_asked` read its bounds
    step = options.step or ""
    for known in await backfills.of_stream(stream.id):
        same = (known.start, known.end, known.step) == (bounds[0][0], bounds[-1][1], step)
        if same and options.only != "all" and known.fingerprint == stream.fingerprint:
            return known, stream
    plan = await backfills.create(
        stream=stream.id,
        kind=stream.incremental.format.kind,
        bounds=bounds,
        step=step,
        fingerprint=stream.fingerprint,
    )
    return plan, stream


def _asked(app: App, options: BackfillOptions) -> tuple[Stream, Sequence[tuple[int | str, int | str]]]:
    if options.selector is None or options.start is None:
        raise UsageError("a backfill needs a stream and --from")
    stream, now = _one(app, options.selector), app.clock.now()
    start = read_bound(stream, options.start, now=now)
    end = read_bound(stream, options.end if options.end is not None else _now_text(stream), now=now)
    if not start < end:  # type: ignore[operator]  # both are of the kind of the stream's cursor
        raise UsageError(f"--from {options.start} is not before --to {options.end or 'now'}")
    return stream, slice_bounds(stream, start, end, options.step)


def _now_text(stream: Stream) -> str:
    if stream.incremental is not None and stream.incremental.format.kind != "instant":
        raise UsageError(f"{stream.id} counts by {stream.incremental.format.kind}, so --to must be given")
    return "0s"


async def _run(app: App, plan: Backfill, stream: Stream, wanted: Sequence[Slice], stop: Stop) -> RunResult:
    started_at, started = app.clock.now(), app.clock.monotonic()
    run_id = await app.store.begin(
        kind=RunKind.BACKFILL,
        trigger=RunTrigger.MANUAL,
        version=__version__,
        selection=f"{stream.id} {show(plan.start, plan.kind)} to {show(plan.end, plan.kind)} ({plan.backfill_id})",
    )
    await Catalog(app.database, app.clock).see((stream,))
    app.listener(
        RunStarted(
            run_id=run_id, kind=RunKind.BACKFILL, streams=(stream.id,), database=app.database.label, at=started_at
        )
    )
    results: list[StreamResult] = []
    async with recorded(app, run_id, stop), app.open_source(app.settings.sources[stream.source]) as opened:
        for one in wanted:
            if stop.requested:
                break
            results.append(await _slice(app, plan, one, lambda job: run_stream(app, opened, stream, job, stop), run_id))
            if results[-1].exit_code in (6, 7):
                break
    remaining = await Backfills(app.database, app.clock).remaining(plan)
    cut = len(results) < len(wanted) or any(result.status is RunStatus.INTERRUPTED for result in results)
    merged = _merged(stream, results, len(wanted), remaining)
    if cut and stop.requested and merged.exit_code == 0:  # the stop may come between two slices that are well read
        merged = replace(merged, status=RunStatus.INTERRUPTED)
    if remaining:
        app.listener(Warned(stream=stream.id, message=f"continue with: etl backfill --resume {plan.backfill_id}"))
        merged = replace(merged, hint=f"etl backfill --resume {plan.backfill_id}")
    return await end_run(
        app,
        RunResult(
            run_id=run_id,
            kind=RunKind.BACKFILL,
            started_at=started_at,
            seconds=app.clock.monotonic() - started,
            streams=(merged,),
            signal=stop.signal if cut and stop.requested else None,
        ),
    )


async def _slice(
    app: App, plan: Backfill, one: Slice, read: Callable[[Job], Awaitable[StreamResult]], run_id: str
) -> StreamResult:
    """Read one slice and note what became of it."""
    backfills = Backfills(app.database, app.clock)
    await backfills.mark(plan, one.number, status=RunStatus.RUNNING)
    result = await read(Job(run_id=run_id, kind=RunKind.BACKFILL, bounds=(one.start, one.end)))
    await backfills.mark(
        plan,
        one.number,
        status=result.status,
        verdict=result.verdict,
        reason=result.reason,
        rows=result.counts.fetched,
    )
    return result


def _merged(stream: Stream, results: Sequence[StreamResult], wanted: int, remaining: int) -> StreamResult:
    """One line for all slices: the sums, the weakest verdict, and the first thing that went wrong."""
    if not results:
        reason = "stopped before the first slice" if wanted else "nothing is missing in this range"
        status = RunStatus.INTERRUPTED if wanted else RunStatus.SUCCEEDED
        return StreamResult(stream=stream.id, status=status, exit_code=0, verdict=None, reason=reason)
    bad = next((result for result in results if result.status is not RunStatus.SUCCEEDED), None)
    done = sum(result.status is RunStatus.SUCCEEDED for result in results)
    progress = f"{done:,} of {wanted:,} slices" + (f", {remaining:,} remaining" if remaining else "")
    judged = [(result.verdict.strength, result) for result in results if result.verdict is not None]
    weakest = min(judged, key=lambda pair: pair[0])[1] if judged else None
    telling = bad or weakest or results[-1]
    return StreamResult(
        stream=stream.id,
        status=telling.status,
        exit_code=_together(results),
        verdict=Verdict.INCOMPLETE if weakest is None else weakest.verdict,
        reason=f"{progress}; {telling.reason}",
        counts=reduce(add, (result.counts for result in results), Counts()),
        watermark=results[-1].watermark,
        seconds=sum(result.seconds for result in results),
        error_code=telling.error_code,
    )


def _together(results: Sequence[StreamResult]) -> int:
    """A slice that failed beside others that did not leaves the range incomplete: 5, not 3."""
    code = exit_code(results)
    return 5 if code == 3 else code


def _dry_run(app: App, options: BackfillOptions) -> RunResult:
    stream, bounds = _asked(app, options)
    return _listed(app, stream, bounds)


def _listed(app: App, stream: Stream, bounds: Sequence[tuple[int | str, int | str]]) -> RunResult:
    """The slices, one line each; nothing is sent or written."""
    assert stream.incremental is not None
    kind = stream.incremental.format.kind
    lines = tuple(
        StreamResult(
            stream=stream.id,
            status=RunStatus.SKIPPED,
            exit_code=0,
            verdict=None,
            reason=f"dry run: slice {number} from {show(start, kind)} to {show(end, kind)}",
        )
        for number, (start, end) in enumerate(bounds, 1)
    )
    return RunResult(run_id="", kind=RunKind.BACKFILL, started_at=app.clock.now(), seconds=0.0, streams=lines)


def _one(app: App, selector: str) -> Stream:
    found = select(app.settings.streams, (selector,))
    if len(found) != 1:
        raise UsageError(f"{selector!r} means {len(found)} streams", hint="a backfill reads one, as source.stream")
    return found[0]
