"""A clock that tests turn by hand, and a run to listen to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl.model.events import RunStarted
from etl.model.run import Counts, RunKind, RunResult, RunStatus, StreamResult
from etl.model.verdict import Verdict

BEGIN = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)


class HandClock:
    """Implements `ports.Clock`; `forward` is the only thing that moves it."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed_s

    async def sleep(self, seconds: float) -> None:
        self.elapsed_s += max(seconds, 0.0)

    def forward(self, seconds: float) -> None:
        self.elapsed_s += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def started() -> RunStarted:
    return RunStarted(
        run_id="01JDB7Q4", kind=RunKind.SYNC, streams=("shop.orders",), database="sqlite data.db", at=BEGIN
    )


@pytest.fixture
def good() -> StreamResult:
    return StreamResult(
        stream="shop.orders",
        status=RunStatus.SUCCEEDED,
        exit_code=0,
        verdict=Verdict.VERIFIED,
        reason="163 of 163",
        counts=Counts(pages=2, requests=3, retries=1, fetched=163, inserted=1, unchanged=162, bytes=2048),
        watermark="2026-11-22T14:01:58Z",
        seconds=0.61,
    )


@pytest.fixture
def bad() -> StreamResult:
    return StreamResult(
        stream="shop.orders",
        status=RunStatus.FAILED,
        exit_code=4,
        verdict=None,
        reason="401 on page 1: bad \x1b[31mkey",
        error_code="E-AUTH",
    )


@pytest.fixture
def ended(good: StreamResult) -> RunResult:
    return RunResult(run_id="01JDB7Q4", kind=RunKind.SYNC, started_at=BEGIN, seconds=29.31, streams=(good,))
