"""`etl rejects replay`: rejected items once more under the configuration of today, without a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from itertools import groupby
from operator import add

from etl import __version__
from etl.db.tables import load_schema
from etl.errors import DatabaseRefused, EtlError, LeaseHeld, MalformedPage
from etl.load.writer import TableWriter
from etl.model.events import BatchCommitted, Event, RunStarted, StreamFinished, StreamStarted
from etl.model.member import Member
from etl.model.page import Page, PageRequest, Response
from etl.model.run import Counts, RunKind, RunResult, RunStatus, RunTrigger, StreamResult
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records, Stream
from etl.model.window import Window
from etl.normalize import StreamDecoder
from etl.pipeline.sync_stream import first_cause
from etl.ports import Stop
from etl.runs import Ending, StreamLease, StreamRun
from etl.runs.replay import Reject, Rejects, ReplayJournal
from etl.service.app import App
from etl.service.hooks import mender
from etl.service.members import members_named
from etl.service.outcome import failed
from etl.service.sync import end_run
from etl.settings import select


async def replay(app: App, selectors: tuple[str, ...], stop: Stop) -> RunResult:
    """Read the kept rejects of the selected streams again; what fits now is stored, and never over newer data."""
    streams = select(app.settings.streams, selectors)
    started_at, started = app.clock.now(), app.clock.monotonic()
    run_id = await app.store.begin(
        kind=RunKind.REPLAY, trigger=RunTrigger.MANUAL, version=__version__, selection=" ".join(selectors)
    )
    names = tuple(stream.id for stream in streams)
    label = app.database.label
    app.listener(RunStarted(run_id=run_id, kind=RunKind.REPLAY, streams=names, database=label, at=started_at))
    results = []
    for stream in streams:
        results.append(await _stream(app, stream, run_id, stop))
        app.listener(StreamFinished(result=results[-1]))
    cut = any(result.status is RunStatus.INTERRUPTED for result in results)
    return await end_run(
        app,
        RunResult(
            run_id=run_id,
            kind=RunKind.REPLAY,
            started_at=started_at,
            seconds=app.clock.monotonic() - started,
            streams=tuple(results),
            signal=stop.signal if cut else None,
        ),
    )


async def _stream(app: App, stream: Stream, run_id: str, stop: Stop) -> StreamResult:
    started = app.clock.monotonic()
    if not await Rejects(app.database, stream.id).after(0, limit=1):
        return _result(stream, RunStatus.SUCCEEDED, 0, "nothing to replay")
    try:
        async with app.leases.hold(stream.id) as lease:
            record = await app.store.begin_stream(
                run_id,
                stream=stream.id,
                table=stream.table,
                kind=RunKind.REPLAY,
                token=lease.token,
                fingerprint=stream.fingerprint,
                resume=False,
            )
            app.listener(StreamStarted(stream=stream.id, kind=RunKind.REPLAY, since=None, resumed=False))
            work = _Replay(app, stream, record)
            result = await work.run(lease, stop, started)
    except LeaseHeld as error:
        outcome = failed(error)
        return replace(_result(stream, outcome.status, outcome.exit_code, outcome.reason), error_code=error.code)
    return result


class _Replay:
    """The rejects of one stream, page by page: each reject is a page of one item."""

    def __init__(self, app: App, stream: Stream, record: StreamRun) -> None:
        self._app = app
        self._stream = stream
        self._record = record
        self._counts: list[Counts] = []

    async def run(self, lease: StreamLease, stop: Stop, started: float) -> StreamResult:
        """Never raises an EtlError: every end is recorded."""
        cause: EtlError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(lease.keep(), name="lease")
                await self._all(stop)
                keeping.cancel()
        except* EtlError as group:
            cause = first_cause(group)
        result = self._concluded(stop) if cause is None else _failed(self._stream, cause)
        return await self._end(result, started)

    async def _all(self, stop: Stop) -> None:
        rejects, last = Rejects(self._app.database, self._stream.id), 0
        while not stop.requested and (some := await rejects.after(last)):
            last = some[-1].id
            for ordinal, group in groupby(some, key=lambda reject: reject.ordinal):
                await self._write(ordinal, list(group))

    async def _write(self, ordinal: int, some: Sequence[Reject]) -> None:
        """The rejects of one run: its ordinal is the high half of their `_etl_seq`."""
        app, stream = self._app, self._stream
        async with app.database.read() as connection:
            table = await load_schema(connection, stream.table)
        limits = app.settings.sources[stream.source].limits
        decoder = StreamDecoder(
            _bare(stream),
            table,
            app.database.dialect,
            max_record_bytes=limits.record,
            mender=mender(app.settings, stream),
        )
        writer = TableWriter(
            database=app.database,
            stream=stream,
            decoder=decoder,
            journal=ReplayJournal(app.clock, stream=stream.id, token=self._record.token),
            clock=app.clock,
            listener=self._heard,
            ordinal=ordinal,
            run_id=self._record.run_id,
            table=table,
            upper_bound=lambda: None,
        )
        members = await members_named(app, stream, {reject.member for reject in some})
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(writer.run(), name="writer")
            for reject in some:
                page = _decoded(decoder, reject, members.get(reject.member), app)
                if page is not None:
                    await writer.put(page)
                else:
                    self._counts.append(Counts(fetched=1, rejected=1))
            writer.finish()
            await writing

    def _heard(self, event: Event) -> None:
        if isinstance(event, BatchCommitted):
            counts = replace(event.counts, pages=0, requests=0, retries=0, bytes=0)
            self._counts.append(counts)
            self._app.listener(replace(event, counts=counts))
        else:
            self._app.listener(event)

    def _concluded(self, stop: Stop) -> StreamResult:
        counts = reduce(add, self._counts, Counts())
        became = counts.fetched - counts.rejected
        reason = f"{became:,} of {counts.fetched:,} rejects fit now"
        if stop.requested:
            return _result(self._stream, RunStatus.INTERRUPTED, 0, f"stopped; {reason}")
        if counts.rejected:
            hint = f"look at them with: etl rejects list {self._stream.id}"
            return replace(_result(self._stream, RunStatus.INCOMPLETE, 5, reason), hint=hint)
        return _result(self._stream, RunStatus.SUCCEEDED, 0, reason)

    async def _end(self, result: StreamResult, started: float) -> StreamResult:
        counts = reduce(add, self._counts, Counts())
        seconds = self._app.clock.monotonic() - started
        ending = Ending(
            status=result.status,
            exit_code=result.exit_code,
            seconds=seconds,
            reason=result.reason,
            hint=result.hint,
            error_code=result.error_code,
            counts=counts,
        )
        with suppress(DatabaseRefused):
            finished = await self._app.store.fail_stream(self._record, ending)
            return replace(result, counts=counts, seconds=seconds, watermark=finished.watermark)
        return replace(result, counts=counts, seconds=seconds)


def _failed(stream: Stream, error: EtlError) -> StreamResult:
    """A replay that ended by an error."""
    outcome = failed(error)
    made = _result(stream, outcome.status, outcome.exit_code, outcome.reason)
    return replace(made, hint=outcome.hint, error_code=outcome.error_code)


def _bare(stream: Stream) -> Stream:
    """The stream as if an answer were the list of items and nothing else."""
    whole = Records(path=Selector(SelectorKind.BODY, ""))
    return replace(stream, records=whole, pages=Paging(kind=PagesKind.NONE), fail_if=None)


def _decoded(decoder: StreamDecoder, reject: Reject, member: Member | None, app: App) -> Page | None:
    """A page of the one item; None when what was kept is no JSON, as it is for items that were cut.

    And for an item of a member that is no longer there: the values of `add` would be missing.
    """
    if reject.member and member is None:
        return None
    window = Window() if member is None else Window().of(member)
    request = PageRequest(window=window, position=str(reject.id))
    response = Response(
        status=200, headers={}, body=b"[" + reject.raw + b"]", url="", started_at=app.clock.now(), seq=reject.seq
    )
    try:
        return decoder.decode(request, response)
    except MalformedPage:
        return None


def _result(stream: Stream, status: RunStatus, code: int, reason: str) -> StreamResult:
    return StreamResult(stream=stream.id, status=status, exit_code=code, verdict=None, reason=reason)
