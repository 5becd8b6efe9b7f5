"""What is known of a window while it is read, and what is left of it afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from etl.errors import StreamStopped
from etl.model.instants import Cursor
from etl.model.page import PageFacts, PageRequest, Purpose, Response
from etl.model.verdict import Judgement
from etl.model.window import Window
from etl.ports import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReading:
    """The end of one window. Exactly one of `judgement` and `failure` is set; neither when the run was stopped."""

    window: Window
    judgement: Judgement | None = None
    failure: StreamStopped | None = None
    max_cursor: Cursor | None = None

    @property
    def is_complete(self) -> bool:
        """Read to its end, with nothing known to be missing."""
        return self.judgement is not None and self.judgement.verdict.strength > 0


@dataclass(slots=True, kw_only=True)
class Reading:
    """What reading a stream brought: its windows in the order of their start, and the first answer's time."""

    windows: list[WindowReading] = field(default_factory=list)
    first_response: Response | None = None
    total_rows: int | None = None
    future_rows: int = 0
    order_broken: str = ""
    """Where a page contradicted the declared order, in one line; nothing is inferred from such a reading."""
    stopped: bool = False
    partial: bool = False

    @property
    def server_time(self) -> datetime | None:
        """The server's clock at the first answer; see the function of that name."""
        return None if self.first_response is None else server_time(self.first_response)


def server_time(first: Response) -> datetime | None:
    """U: the `Date` of the first answer, floored, less its round trip; nothing later was surely visible to it.

    None where the server tells no date.
    """
    if first.served_at is None:
        return None
    return first.served_at.replace(microsecond=0) - timedelta(seconds=first.seconds)


class WindowProgress:
    """One window while it is read: what is still to be asked for, what is in flight, what was seen."""

    __slots__ = ("_queue", "failure", "in_flight", "judgement", "max_cursor", "proof", "was_cut", "window")

    def __init__(self, window: Window, proof: Proof, first: PageRequest) -> None:
        self.window = window
        self.proof = proof
        self.in_flight = 0
        self.was_cut = False
        self.failure: StreamStopped | None = None
        self.judgement: Judgement | None = None
        self.max_cursor: Cursor | None = None
        self._queue: deque[Iterator[PageRequest]] = deque([iter((first,))])

    def next_request(self) -> PageRequest | None:
        """The next request of the window, None when nothing can be asked for at the moment."""
        while self._queue:
            request = next(self._queue[0], None)
            if request is not None:
                return request
            self._queue.popleft()
        return None

    def answered(self, request: PageRequest, facts: PageFacts, following: Iterable[PageRequest]) -> None:
        """A page came: keep what it says and what it makes possible."""
        self.proof.saw(request, facts)
        if facts.max_cursor is not None and (self.max_cursor is None or facts.max_cursor > self.max_cursor):  # type: ignore[operator]
            self.max_cursor = facts.max_cursor
        if self.failure is None and request.purpose is not Purpose.PROBE:
            self._queue.append(_inheriting(request, following))

    def ask(self, requests: Sequence[PageRequest]) -> None:
        """Queue requests the proof wants."""
        self._queue.append(iter(requests))

    def fail(self, failure: StreamStopped) -> None:
        """Keep the first failure; nothing more is asked for in this window."""
        self.failure = self.failure or failure
        self._queue.clear()

    def cut(self) -> None:
        """The budget of the run is spent: nothing more is asked for, and nothing can be judged."""
        self.was_cut = True
        self._queue.clear()

    @property
    def is_idle(self) -> bool:
        """Nothing in flight and nothing queued (as far as was looked at)."""
        return not self.in_flight and not self._queue

    def reading(self) -> WindowReading:
        """The end result."""
        return WindowReading(
            window=self.window, judgement=self.judgement, failure=self.failure, max_cursor=self.max_cursor
        )


def _inheriting(request: PageRequest, following: Iterable[PageRequest]) -> Iterator[PageRequest]:
    """Successors belong to the same pass as the page that named them."""
    if not request.attempt:
        return iter(following)
    return (
        named if named.attempt else replace(named, attempt=request.attempt, purpose=request.purpose)
        for named in following
    )
