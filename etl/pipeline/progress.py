"""What is known of a window while it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from etl.errors import StreamStopped
from etl.model.instants import Cursor
from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.verdict import Judgement
from etl.model.window import Window
from etl.pipeline.reading import WindowReading
from etl.ports import Proof

_DIGEST = 8


class WindowProgress:
    """One window while it is read: what is still to be asked for, what is in flight, what was seen."""

    __slots__ = (
        "_only",
        "_queue",
        "_token_ordinal",
        "failed_depth",
        "failure",
        "first_token",
        "gone",
        "in_flight",
        "items",
        "judgement",
        "last_token",
        "max_cursor",
        "outside",
        "pages",
        "proof",
        "recalled",
        "restarts",
        "unchanged",
        "was_cut",
        "window",
    )

    def __init__(self, window: Window, proof: Proof, first: PageRequest) -> None:
        self.window = window
        self.proof = proof
        self.in_flight = 0
        self.was_cut = self.gone = False
        self.pages = self.items = self.outside = self.restarts = self.failed_depth = 0
        self.recalled = self.unchanged = False
        self._only: PageFacts | None = None
        self.failure: StreamStopped | None = None
        self.judgement: Judgement | None = None
        self.max_cursor: Cursor | None = None
        self.first_token: str | None = None
        self.last_token: str | None = None
        self._token_ordinal = -1
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
        self.pages += 1
        self.items += facts.count
        self.outside += facts.outside_rows
        self.unchanged |= facts.unchanged
        self._only = facts if self.pages == 1 else None
        if is_gone(request, facts):
            self.gone = True
            self._queue.clear()
            return
        self.proof.saw(request, facts)
        if facts.max_cursor is not None and (self.max_cursor is None or facts.max_cursor > self.max_cursor):  # type: ignore[operator]
            self.max_cursor = facts.max_cursor
        if facts.token is not None:
            self._keep_token(request, facts.token)
        if self.failure is None and request.purpose is not Purpose.PROBE:
            self._queue.append(_inheriting(request, following))

    def _keep_token(self, request: PageRequest, token: str) -> None:
        """The first reading counts for the first page: what a repair reads again may have changed after the rest."""
        if request.ordinal == 0 and not request.attempt:
            self.first_token = token
        if request.ordinal >= self._token_ordinal:
            self._token_ordinal, self.last_token = request.ordinal, token

    def ask(self, requests: Sequence[PageRequest]) -> None:
        """Queue requests the proof wants."""
        self._queue.append(iter(requests))

    def fail(self, failure: StreamStopped, request: PageRequest) -> None:
        """Keep the first failure, and how deep in the list it was; nothing more is asked for in this window."""
        if self.failure is None:
            self.failure, self.failed_depth = failure, request.ordinal * request.stride
        self._queue.clear()

    def restart(self, first: PageRequest) -> None:
        """Read the window again from its beginning."""
        self.restarts += 1
        self._queue.clear()
        self.ask((first,))

    def cut(self) -> None:
        """The budget of the run is spent: nothing more is asked for, and nothing can be judged."""
        self.was_cut = True
        self._queue.clear()

    @property
    def is_idle(self) -> bool:
        """Nothing in flight and nothing queued (as far as was looked at)."""
        return not self.in_flight and not self._queue

    @property
    def keys_of_only_page(self) -> int | None:
        """How many different keys the window holds when one page was all of it; None where the ledger has to tell."""
        if self._only is None:
            return None
        packed = self._only.key_digests
        return len({packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST)})

    def reading(self) -> WindowReading:
        """The end result."""
        return WindowReading(
            window=self.window,
            judgement=self.judgement,
            failure=self.failure,
            max_cursor=self.max_cursor,
            gone=self.gone and self.failure is None,
            first_token=self.first_token,
            last_token=self.last_token,
            unchanged=self.unchanged,
        )


def is_gone(request: PageRequest, facts: PageFacts) -> bool:
    """Whether the answer says that the member is no longer there: its very first page was not found."""
    return request.window.may_be_gone and request.ordinal == 0 and facts.refused is not None


def _inheriting(request: PageRequest, following: Iterable[PageRequest]) -> Iterator[PageRequest]:
    """Successors belong to the same pass as the page that named them."""
    if not request.attempt:
        return iter(following)
    return (
        named if named.attempt else replace(named, attempt=request.attempt, purpose=request.purpose)
        for named in following
    )
