"""What the backbone needs from the rooms around it, on one page. `bootstrap` plugs the real ones in, tests plug fakes.

Lifetimes: a `Source` and a `Permit` gate belong to one source and are shared by its streams; everything else belongs
to one stream of one run. Cancellation may arrive at every `await`; a method that must not be torn says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from etl.errors import StreamStopped
from etl.model.events import Event
from etl.model.page import Page, PageFacts, PageRequest, Response
from etl.model.verdict import Judgement
from etl.model.window import Window


class Clock(Protocol):
    """Time. Nothing else in the package reads a clock or sleeps."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Wait; returns at once for 0 or less."""


class Decoder(Protocol):
    """Turns the bytes of an answer into a page. Holds the current schema of the stream's table."""

    def decode(self, request: PageRequest, response: Response) -> Page:
        """One page. Bad items become rejects; raises MalformedPage when the body is no page at all.

        Raises ContractBroken under `contract: freeze`. `page.failed_tries` is empty; the client fills it.
        """

    def again(self, page: Page) -> Page:
        """The same page under the newest schema version; the page itself if it is of that version."""


class Source(Protocol):
    """Fetches pages over HTTP: auth, deadline, retries, pauses and decoding included."""

    async def fetch(self, request: PageRequest) -> Page:
        """Raises SourceFailed or DataRefused; a TryAgain never escapes."""


class Pages(Protocol):
    """A pagination strategy: a page reveals its successors. Pure; guards against loops wrap any of them."""

    def first(self, window: Window) -> PageRequest:
        """The request that begins the window's chain."""

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """The requests this page makes possible, lazily: a list of 10,000 pages must not exist in memory.

        Raises PagingLoop when the chain leads in a circle.
        """

    def ended(self, window: Window) -> None:
        """Nothing of the window is asked for any more: what was remembered of its chain can go."""


@runtime_checkable
class Windows(Protocol):
    """The windows of a reading, one after the other; more may arrive while the first ones are read."""

    @property
    def ended(self) -> bool:
        """`take` will never give another one."""

    def take(self) -> Window | None:
        """The next window, None when there is none at the moment."""

    async def more(self) -> None:
        """Return once `take` has one, or the end is known. Raises StreamStopped where neither can come."""


class Limiter(Protocol):
    """Admits requests of one source: declared rate, adaptive concurrency, shared pauses."""

    @property
    def in_flight(self) -> int:
        """Permits given and not yet returned."""

    @property
    def limit(self) -> int:
        """How many permits may be out at once, at the moment."""

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Wait for a permit; it is held until the writer's buffer has accepted the page."""


class Writer(Protocol):
    """Joins pages to batches and commits each in one transaction with its ledger lines."""

    async def put(self, page: Page) -> None:
        """Hand a page over; waits while the buffer is full. Raises what the last commit raised."""

    async def run(self) -> None:
        """Commit batches until `finish` was called and the buffer is empty. A commit that began is not torn."""

    def idle(self) -> None:
        """Nothing is in flight: what is buffered is committed now instead of waiting for more."""

    async def settle(self) -> None:
        """Wait until every page handed over so far is committed."""

    def finish(self) -> None:
        """No more pages will come."""


class Ledger(Protocol):
    """What this generation has committed so far; lets a resumed run name successors without fetching."""

    def recall(self, request: PageRequest) -> PageFacts | None:
        """The facts of a committed page, None for one that has to be fetched."""

    async def distinct_keys(self, window: Window) -> int:
        """How many different keys the committed pages of a window hold, in bounded memory."""

    async def gave_up(self, request: PageRequest, failure: StreamStopped) -> None:
        """Keep the tries of a request that never brought a page. Raises DatabaseRefused."""


class Proof(Protocol):
    """Watches the pages of one window go by, and judges when nothing is left to read."""

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """A page was answered (or recalled). Called in order of arrival."""

    def probes(self) -> Sequence[PageRequest]:
        """Requests the proof needs now that nothing is left to read; empty when it has all it can get."""

    @property
    def counts_keys(self) -> bool:
        """Whether `judge` wants to know the number of distinct keys."""

    def judge(self, distinct_keys: int | None) -> Judgement:
        """The verdict over the window; `distinct_keys` is None when the stream has no key or nobody counted."""

    def repairs(self) -> Sequence[PageRequest]:
        """After a judgement: what to read again; empty when the checks agree or the budget is spent."""


class Lease(Protocol):
    """The right to write one stream, with its fencing token."""

    @property
    def token(self) -> int:
        """Checked inside every transaction that writes the stream."""

    async def keep(self) -> None:
        """Renew until cancelled; raises LeaseLost once a newer holder is seen."""


class Stop(Protocol):
    """A wish to end early: SIGTERM, Ctrl-C, or a grace that ran out."""

    @property
    def requested(self) -> bool:
        """True once nothing new should be asked for."""

    @property
    def signal(self) -> int | None:
        """The signal's number, None when no signal asked."""

    async def wait(self) -> None:
        """Return once the wish is there."""


Listener = Callable[[Event], None]
"""Called synchronously at every event, in order. Must be quick, and must not raise: what it raises is dropped."""
