"""Stand-ins for the ports, simple enough to be trusted: each keeps what it was given and fails where a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from etl.errors import LeaseLost, StreamStopped
from etl.model.events import Event
from etl.model.page import Page, PageFacts, PageRequest
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.ports import Lease, Ledger, Limiter, Proof, Source, Stop, Writer
from etl.testing.pages import FakeList

E = TypeVar("E", bound=Event)
Answerer = Callable[[PageRequest], Page]


class RecordingListener:
    """A Listener that keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


class FakeSource(Source):
    """A Source over a FakeList, or over any function from request to page. `requests` lists what was asked for.

    `errors` holds what fetching a position raises, one error for each time in turn. While `hold()` is in force
    requests wait, so that a test decides when they are answered.
    """

    def __init__(
        self, answers: FakeList | Answerer, *, errors: Mapping[str, Sequence[BaseException]] | None = None
    ) -> None:
        self.requests: list[PageRequest] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        self._answers = answers
        self._errors = {position: list(each) for position, each in (errors or {}).items()}
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer what waits, and everything after it."""
        self._open.set()

    async def fetch(self, request: PageRequest) -> Page:
        self.requests.append(request)
        seq = len(self.requests)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self._open.wait()
        finally:
            self.in_flight -= 1
        errors = self._errors.get(request.position)
        if errors:
            raise errors.pop(0)
        return self._answers.answer(request, seq=seq) if isinstance(self._answers, FakeList) else self._answers(request)


class FakeWriter(Writer):
    """A Writer without a database: `committed` holds the batches in order, each a list of pages.

    A batch is `batch` pages, or what there is when nothing is in flight. From `fail_after` committed batches on it
    raises `error`, in `run` and in `put`.
    """

    def __init__(self, *, batch: int = 4, fail_after: int | None = None, error: BaseException | None = None) -> None:
        self.committed: list[list[Page]] = []
        self._batch = batch
        self._fail_after = fail_after
        self._error = error
        self._failed = False
        self._buffer: list[Page] = []
        self._finished = False
        self._flush = False
        self._changed = asyncio.Event()

    @property
    def pages(self) -> list[Page]:
        """The committed pages."""
        return [page for batch in self.committed for page in batch]

    async def put(self, page: Page) -> None:
        await asyncio.sleep(0)
        self._raise_if_failed()
        self._buffer.append(page)
        self._changed.set()

    async def run(self) -> None:
        while self._buffer or not self._finished:
            if len(self._buffer) >= self._batch or (self._buffer and (self._flush or self._finished)):
                self._commit()
                continue
            self._changed.clear()
            await self._changed.wait()

    def idle(self) -> None:
        self._flush = True
        self._changed.set()

    def finish(self) -> None:
        self._finished = True
        self._changed.set()

    def _commit(self) -> None:
        if self._fail_after is not None and len(self.committed) >= self._fail_after:
            self._failed = True
        self._raise_if_failed()
        self.committed.append(self._buffer[: self._batch])
        del self._buffer[: self._batch]
        self._flush = bool(self._buffer) and self._flush

    def _raise_if_failed(self) -> None:
        if self._failed:
            raise self._error or RuntimeError("the fake writer was told to fail")


class FakeLimiter(Limiter):
    """A Limiter that never changes its mind: at most `limit` permits at once."""

    def __init__(self, limit: int = 8) -> None:
        self.peak_in_flight = 0
        self._limit = limit
        self._in_flight = 0
        self._permits = asyncio.Semaphore(limit)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def limit(self) -> int:
        return self._limit

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        async with self._permits:
            self._in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
            try:
                yield
            finally:
                self._in_flight -= 1


class FakeLedger(Ledger):
    """A Ledger in memory: empty, or filled with the pages of an earlier run. `given_up` brought no page."""

    def __init__(self, pages: Sequence[Page] = ()) -> None:
        self.given_up: list[tuple[PageRequest, StreamStopped]] = []
        self._facts = {_name(page.request): page.facts for page in pages}

    def add(self, request: PageRequest, facts: PageFacts) -> None:
        """Remember one more committed page."""
        self._facts[_name(request)] = facts

    def recall(self, request: PageRequest) -> PageFacts | None:
        return self._facts.get(_name(request))

    async def gave_up(self, request: PageRequest, failure: StreamStopped) -> None:
        """Add to `given_up`."""
        self.given_up.append((request, failure))


class FakeProof(Proof):
    """A Proof that believes everything. `seen` lists what went by; `asks` are the rounds of probes it wants."""

    def __init__(self, *, asks: Sequence[Sequence[PageRequest]] = (), judgement: Judgement | None = None) -> None:
        self.seen: list[tuple[PageRequest, PageFacts]] = []
        self.distinct_keys: int | None = None
        self._asks = list(asks)
        self._judgement = judgement or Judgement(verdict=Verdict.CONSISTENT, reason="a fake proof")

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        self.seen.append((request, facts))

    def probes(self) -> Sequence[PageRequest]:
        return self._asks.pop(0) if self._asks else ()

    def judge(self, distinct_keys: int | None) -> Judgement:
        self.distinct_keys = distinct_keys
        return self._judgement


class FakeLease(Lease):
    """A Lease that holds until a test calls `lose`."""

    def __init__(self, token: int = 1) -> None:
        self._token = token
        self._lost = asyncio.Event()

    @property
    def token(self) -> int:
        return self._token

    def lose(self) -> None:
        """A newer holder took over."""
        self._lost.set()

    async def keep(self) -> None:
        await self._lost.wait()
        raise LeaseLost("another run took over the stream")


class FakeStop(Stop):
    """A Stop that a test requests."""

    def __init__(self) -> None:
        self._requested = False
        self._signal: int | None = None
        self._asked = asyncio.Event()

    @property
    def requested(self) -> bool:
        return self._requested

    @property
    def signal(self) -> int | None:
        return self._signal

    def request(self, signal: int | None = None) -> None:
        """Ask for an early end, by a signal's number or without one."""
        self._requested = True
        self._signal = signal
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()


def _name(request: PageRequest) -> tuple[Window, str, int]:
    return request.window, request.position, request.attempt
