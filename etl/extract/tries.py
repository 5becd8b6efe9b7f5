"""The tries of one request: what was sent in vain, for the ledger and for the error that ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from etl.errors import AuthRefused, GaveUp, MalformedPage, RequestRefused, StreamStopped, TryAgain
from etl.extract.oauth2 import AccessToken
from etl.model.page import FailedTry
from etl.ports import Clock


class Tries:
    """The tries of one request so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._malformed = 0
        self._started = 0.0
        self.began_at: datetime = clock.now()
        self.failed: list[FailedTry] = []
        self.refused: AccessToken | None = None
        """The token that the API refused; a second refusal is the last."""

    def begin(self) -> None:
        """Another try starts now."""
        self.began_at, self._started = self._clock.now(), self._clock.monotonic()

    def malformed(self, error: TryAgain) -> int:
        """How many answers were no page, this one included; cut ones are the transport's fault and do not count."""
        self._malformed += isinstance(error, MalformedPage) and error.reason != "truncated"
        return self._malformed

    def note(self, error: TryAgain, wait_s: float) -> None:
        """Keep a failed try."""
        seconds = self._clock.monotonic() - self._started
        self.failed.append(
            FailedTry(reason=error.reason, status=status_of(error), seconds=seconds, wait_s=wait_s, at=self.began_at)
        )

    def end(self, stopped: StreamStopped) -> None:
        """Nothing is tried again: the last try waited for nothing, and a final refusal was a try of its own."""
        if isinstance(stopped, GaveUp):
            self.failed[-1:] = [replace(last, wait_s=0.0) for last in self.failed[-1:]]
            return
        status = stopped.status if isinstance(stopped, AuthRefused | RequestRefused) else None
        seconds = self._clock.monotonic() - self._started
        reason = "refused" if status is None else str(status)
        self.failed.append(FailedTry(reason=reason, status=status, seconds=seconds, wait_s=0.0, at=self.began_at))


def status_of(error: TryAgain) -> int | None:
    """The status that failed a try, None where there was no answer."""
    return int(error.reason) if error.reason.isdigit() else None
