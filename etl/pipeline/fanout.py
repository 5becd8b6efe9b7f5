"""Fan-out: every page that can be asked for is asked for, as far as the limiter allows.

A page names its successors, so concurrency appears exactly where the API permits it and no kind of pagination is
known here. Requests are taken lazily, one when there is room for it: neither memory nor the number of tasks grows
with the number of pages. The permit is held until the writer has accepted the page; that is the backpressure.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from etl.errors import AuthRefused, DataRefused, SourceFailed, StreamStopped
from etl.model.events import PageFetched, StreamPlanned
from etl.model.page import Page, PageFacts, PageRequest, Response
from etl.model.window import Window
from etl.pipeline.budget import Budget
from etl.pipeline.progress import WindowProgress, is_gone
from etl.pipeline.reading import Reading
from etl.pipeline.rescue import again, not_narrower, should_halve
from etl.pipeline.supply import GivenWindows
from etl.ports import Ledger, Limiter, Listener, Pages, Proof, Source, Windows, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the fan-out works with; each is a port."""

    stream: str
    source: Source
    pages: Pages
    limiter: Limiter
    writer: Writer
    ledger: Ledger
    prove: Callable[[Window], Proof]
    listener: Listener
    halve: Callable[[Window], tuple[Window, ...]] = lambda _: ()
    """Cuts a window in two that the API caps; empty when it cannot be narrowed."""
    first_answer: Callable[[Response], None] = lambda _: None
    """Told of the first answer of the reading, before its page is handed to the writer."""
    by_member: bool = True
    """Whether every member's end is kept apart: a stream with a cursor has a watermark for each."""


_MOST_FORBIDDEN: Final = 10

_Number = tuple[int, ...]
"""The place of a window among the others; the halves of a window stand in its place."""


class Fanout:
    """Reads all windows of one stream. One use: construct, `run`, look at `reading`."""

    def __init__(self, rooms: Rooms, windows: Windows | Iterable[Window], budget: Budget) -> None:
        self._rooms = rooms
        self._windows = windows if isinstance(windows, Windows) else GivenWindows(windows)
        self._numbers = itertools.count()
        self._waiting: asyncio.Task[None] | None = None
        self._halves: deque[tuple[_Number, Window]] = deque()
        self._budget = budget
        self._active: dict[_Number, WindowProgress] = {}
        self._open = 0
        self._planned = 0
        self._forbidden = 0
        self._changed = asyncio.Event()
        self._stopping = self._cut_short = False
        self._reading = Reading(by_member=rooms.by_member)

    def stop(self) -> None:
        """Ask for nothing more; `run` returns when what is in flight has arrived."""
        self._stopping = self._cut_short = True
        if self._waiting is not None:
            self._waiting.cancel()
        self._changed.set()

    @property
    def reading(self) -> Reading:
        """What was read, also when `run` was cut short."""
        reading = self._reading.with_open([progress.reading() for progress in self._active.values()])
        reading.stopped = self._cut_short
        reading.partial = self._budget.was_hit
        return reading

    async def run(self) -> None:
        """Read until every window is judged or has failed. Writer and lease errors are raised, window errors kept."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                self._fill(tasks)
                if not self._open and self._waiting is None:
                    break
                await self._changed.wait()
        # A stop that came when everything was read and judged has cut nothing.
        self._cut_short = self._stopping and bool(self._active or self._halves or not self._windows.ended)

    def _fill(self, tasks: asyncio.TaskGroup) -> None:
        """Start tasks for pages and judgements while there is room and something to do."""
        while not self._stopping and self._open < self._rooms.limiter.limit:
            found = self._next()
            if found is None:
                self._wait_for_windows(tasks)
                return
            number, progress, request = found
            self._open += 1
            progress.in_flight += 1
            if request is None:
                tasks.create_task(self._close(number, progress), name=f"{self._rooms.stream} judge {number}")
            else:
                tasks.create_task(self._page(progress, request), name=f"{self._rooms.stream} {request.position}")

    def _wait_for_windows(self, tasks: asyncio.TaskGroup) -> None:
        """Members that are still to come are waited for beside the pages in flight."""
        if self._waiting is None and not self._windows.ended and not self._is_cut:
            self._waiting = tasks.create_task(self._more(), name=f"{self._rooms.stream} members")

    async def _more(self) -> None:
        try:
            await self._windows.more()
        finally:
            self._waiting = None
            self._changed.set()

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
        begun = self._halves.popleft() if self._halves else self._take()
        if begun is None:
            return None
        number, window = begun
        first = self._rooms.pages.first(window)
        progress = WindowProgress(window, self._rooms.prove(window), first)
        self._active[number] = progress
        request = progress.next_request()
        if request is None or not self._allowed(request):
            progress.cut()
            request = None
        return number, progress, request

    def _take(self) -> tuple[_Number, Window] | None:
        window = None if self._is_cut else self._windows.take()
        return None if window is None else ((next(self._numbers),), window)

    @property
    def _is_cut(self) -> bool:
        """The budget is spent, and something wanted more of it."""
        return self._budget.was_hit and self._budget.is_spent

    def _allowed(self, request: PageRequest) -> bool:
        """A committed page costs nothing; any other one comes out of the budget."""
        return self._rooms.ledger.recall(request) is not None or self._budget.allows_request()

    async def _page(self, progress: WindowProgress, request: PageRequest) -> None:
        """Bring one page, from the ledger or from the source, and learn its successors."""
        try:
            recalled = self._rooms.ledger.recall(request)
            progress.recalled |= recalled is not None
            facts = recalled or await self._fetch(request)
            self._tell_plan(request, facts)
            following = () if is_gone(request, facts) else self._rooms.pages.following(request, facts)
            progress.answered(request, facts, following)
        except AuthRefused as refused:
            if not self._is_one_members(refused, request):
                raise  # every other request would be refused as well
            progress.fail(refused, request)
        except (SourceFailed, DataRefused) as failure:
            if not again(progress, self._rooms.pages.first(progress.window), request, failure):
                progress.fail(failure, request)
        finally:
            self._open -= 1
            progress.in_flight -= 1
            self._changed.set()

    def _is_one_members(self, refused: AuthRefused, request: PageRequest) -> bool:
        """A member may be closed to us (403) and the others open; many closed ones and no page at all is no such case.

        A 401 is about who we are.
        """
        self._forbidden += 1
        closed = refused.status == HTTPStatus.FORBIDDEN and bool(request.window.member)
        return closed and (self._reading.first_response is not None or self._forbidden < _MOST_FORBIDDEN)

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
                member=page.request.window.member,
            )
        )

    def _tell_plan(self, request: PageRequest, facts: PageFacts) -> None:
        """Announce the number of pages once the first page of a window told it."""
        if request.ordinal or request.attempt or request.window.member:
            return  # how many pages the members together have, nobody knows before the last one began
        pages = facts.total_pages
        if pages is None and facts.total_rows is not None and facts.count:
            pages = -(-facts.total_rows // facts.count)
        if pages is None:
            return
        self._planned += pages
        self._rooms.listener(StreamPlanned(stream=self._rooms.stream, pages=self._planned, rows=facts.total_rows))

    async def _close(self, number: _Number, progress: WindowProgress) -> None:
        """Nothing is left to read in a window: probe, judge, and repair or end it."""
        if self._open == 1:
            self._rooms.writer.idle()
        try:
            if progress.failure is None and not progress.was_cut and not progress.gone:
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
            self._rooms.pages.ended(progress.window)
            if not self._split(number, progress):
                progress.judgement = not_narrower(progress)
                self._reading.take(progress.reading())
        finally:
            self._open -= 1
            progress.in_flight -= 1
            self._changed.set()

    def _split(self, number: _Number, progress: WindowProgress) -> bool:
        """Read a window that the API caps in two halves instead, and those in halves again, until they fit."""
        halves = self._rooms.halve(progress.window) if should_halve(progress) else ()
        self._halves.extend(((*number, half), window) for half, window in enumerate(halves))
        return bool(halves)

    async def _distinct_keys(self, progress: WindowProgress) -> int | None:
        if not progress.proof.counts_keys:
            return None
        if progress.keys_of_only_page is not None:
            return progress.keys_of_only_page
        await self._rooms.writer.settle()
        return await self._rooms.ledger.distinct_keys(progress.window)
