"""Fan-out: every page that can be asked for is asked for, as far as the limiter allows.

A page names its successors, so concurrency appears exactly where the API permits it and no kind of pagination is
known here. Requests are taken lazily, one when there is room for it: neither memory nor the number of tasks grows
with the number of pages. The permit is held until the writer has accepted the page; that is the backpressure.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from etl.errors import AuthRefused, DataRefused, SourceFailed, StreamStopped
from etl.model.events import PageFetched, StreamPlanned
from etl.model.page import Page, PageFacts, PageRequest, Response
from etl.model.window import Window
from etl.pipeline.budget import Budget
from etl.pipeline.progress import Reading, WindowProgress, WindowReading
from etl.ports import Ledger, Limiter, Listener, Pages, Proof, Source, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the fan-out works with; each is a port."""

    stream: str
    source: Source
    pages: Pages
    limiter: Limiter
    writer: Writer
    ledger: Ledger
    prove: Callable[[], Proof]
    listener: Listener
    halve: Callable[[Window], tuple[Window, ...]] = lambda _: ()
    """Cuts a window in two that the API caps; empty when it cannot be narrowed."""
    first_answer: Callable[[Response], None] = lambda _: None
    """Told of the first answer of the reading, before its page is handed to the writer."""


_Number = tuple[int, ...]
"""The place of a window among the others; the halves of a window stand in its place."""


class Fanout:
    """Reads all windows of one stream. One use: construct, `run`, look at `reading`."""

    def __init__(self, rooms: Rooms, windows: Iterable[Window], budget: Budget) -> None:
        self._rooms = rooms
        self._windows = (((number,), window) for number, window in enumerate(windows))
        self._halves: deque[tuple[_Number, Window]] = deque()
        self._budget = budget
        self._active: dict[_Number, WindowProgress] = {}
        self._ended: dict[_Number, WindowReading] = {}
        self._open = 0
        self._planned = 0
        self._changed = asyncio.Event()
        self._stopping = self._cut_short = False
        self._reading = Reading()

    def stop(self) -> None:
        """Ask for nothing more; `run` returns when what is in flight has arrived."""
        self._stopping = self._cut_short = True
        self._changed.set()

    @property
    def reading(self) -> Reading:
        """What was read, also when `run` was cut short."""
        reading = self._reading
        ended = self._ended | {n: progress.reading() for n, progress in self._active.items()}
        reading.windows = [ended[n] for n in sorted(ended)]
        reading.stopped = self._cut_short
        reading.partial = self._budget.was_hit
        return reading

    async def run(self) -> None:
        """Read until every window is judged or has failed. Writer and lease errors are raised, window errors kept."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                self._fill(tasks)
                if not self._open:
                    break
                await self._changed.wait()
        # A stop that came when everything was read and judged has cut nothing.
        self._cut_short = self._stopping and (bool(self._active) or self._has_more_windows())

    def _has_more_windows(self) -> bool:
        return bool(self._halves) or next(self._windows, None) is not None

    def _fill(self, tasks: asyncio.TaskGroup) -> None:
        """Start tasks for pages and judgements while there is room and something to do."""
        while not self._stopping and self._open < self._rooms.limiter.limit:
            found = self._next()
            if found is None:
                return
            number, progress, request = found
            self._open += 1
            progress.in_flight += 1
            if request is None:
                tasks.create_task(self._close(number, progress), name=f"{self._rooms.stream} judge {number}")
            else:
                tasks.create_task(self._page(progress, request), name=f"{self._rooms.stream} {request.position}")

    def _next(self) -> tuple[_Number, WindowProgress, PageRequest | None] | None:
        """The next thing to do: a request, or None in its place for a window that is ready to be judged."""
        for number, progress in self._active.items():
            request = progress.next_request()
            if request is not None and self._allowed(request):
                return number, progress, request
            if request is not None:
                progress.cut()
            if progress.is_idle:
                return number, progress, None
        return self._begin_window()

    def _begin_window(self) -> tuple[_Number, WindowProgress, PageRequest | None] | None:
        begun = self._halves.popleft() if self._halves else next(self._windows, None)
        if begun is None:
            return None
        number, window = begun
        first = self._rooms.pages.first(window)
        progress = WindowProgress(window, self._rooms.prove(), first)
        self._active[number] = progress
        request = progress.next_request()
        if request is None or not self._allowed(request):
            progress.cut()
            request = None
        return number, progress, request

    def _allowed(self, request: PageRequest) -> bool:
        """A committed page costs nothing; any other one comes out of the budget."""
        return self._rooms.ledger.recall(request) is not None or self._budget.allows_request()

    async def _page(self, progress: WindowProgress, request: PageRequest) -> None:
        """Bring one page, from the ledger or from the source, and learn its successors."""
        try:
            facts = self._rooms.ledger.recall(request) or await self._fetch(request)
            self._tell_plan(request, facts)
            progress.answered(request, facts, self._rooms.pages.following(request, facts))
        except AuthRefused:
            raise  # every other request would be refused as well
        except (SourceFailed, DataRefused) as failure:
            progress.fail(failure)
        finally:
            self._open -= 1
            progress.in_flight -= 1
            self._changed.set()

    async def _fetch(self, request: PageRequest) -> PageFacts:
        rooms = self._rooms
        async with rooms.limiter.permit():
            try:
                page = await rooms.source.fetch(request)
            except StreamStopped as failure:
                await rooms.ledger.gave_up(request, failure)
                raise
            self._note(page)
            await rooms.writer.put(self._budget.keep(page))
        return page.facts

    def _note(self, page: Page) -> None:
        """Remember what the whole reading needs of a page, and tell the listeners."""
        reading, limiter = self._reading, self._rooms.limiter
        if reading.first_response is None:
            reading.first_response = replace(page.response, body=b"")
            self._rooms.first_answer(page.response)
        reading.future_rows += page.facts.future_rows
        reading.order_broken = reading.order_broken or page.facts.order_broken
        if page.facts.total_rows is not None:
            reading.total_rows = page.facts.total_rows
        self._rooms.listener(
            PageFetched(
                stream=self._rooms.stream,
                position=page.request.position,
                items=page.facts.count,
                wire_bytes=page.response.wire_bytes,
                seconds=page.response.seconds,
                in_flight=limiter.in_flight,
                limit=limiter.limit,
                again=page.request.attempt > 0,
            )
        )

    def _tell_plan(self, request: PageRequest, facts: PageFacts) -> None:
        """Announce the number of pages once the first page of a window told it."""
        if request.ordinal or request.attempt:
            return
        pages = facts.total_pages
        if pages is None and facts.total_rows is not None and facts.count:
            pages = -(-facts.total_rows // facts.count)
        if pages is None:
            return
        self._planned += pages
        self._rooms.listener(StreamPlanned(stream=self._rooms.stream, pages=self._planned, rows=facts.total_rows))

    async def _close(self, number: _Number, progress: WindowProgress) -> None:
        """Nothing is left to read in a window: probe, judge, and repair or end it."""
        self._rooms.writer.idle()
        try:
            if progress.failure is None and not progress.was_cut:
                probes = progress.proof.probes()
                if probes:
                    progress.ask(probes)
                    return
                progress.judgement = progress.proof.judge(await self._distinct_keys(progress))
                repairs = progress.proof.repairs()
                if repairs:
                    progress.ask(repairs)
                    return
            del self._active[number]
            if not self._split(number, progress):
                self._ended[number] = progress.reading()
        finally:
            self._open -= 1
            progress.in_flight -= 1
            self._changed.set()

    def _split(self, number: _Number, progress: WindowProgress) -> bool:
        """Read a window that the API caps in two halves instead, and those in halves again, until they fit."""
        judgement = progress.judgement
        halves = self._rooms.halve(progress.window) if judgement is not None and judgement.capped else ()
        self._halves.extend(((*number, half), window) for half, window in enumerate(halves))
        return bool(halves)

    async def _distinct_keys(self, progress: WindowProgress) -> int | None:
        if not progress.proof.counts_keys:
            return None
        await self._rooms.writer.settle()
        return await self._rooms.ledger.distinct_keys(progress.window)
