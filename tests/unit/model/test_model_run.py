"""What a process ends with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from etl.model.run import Counts, RunKind, RunResult, RunStatus, StreamResult


def result(*codes: int, signal: int | None = None) -> RunResult:
    streams = tuple(
        StreamResult(
            stream=f"s.{index}",
            status=RunStatus.SUCCEEDED if code == 0 else RunStatus.FAILED,
            exit_code=code,
            verdict=None,
            reason="",
        )
        for index, code in enumerate(codes)
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return RunResult(run_id="r", kind=RunKind.SYNC, started_at=at, seconds=1.0, streams=streams, signal=signal)


@pytest.mark.parametrize(
    ("codes", "signal", "expected"),
    [
        ((), None, 0),
        ((0, 0), None, 0),
        ((1, 6, 5), 15, 1),
        ((6, 0), 15, 143),
        ((0, 0), 2, 130),
        ((6, 7, 5, 0), None, 6),
        ((7, 7), None, 7),
        ((7, 0), None, 3),
        ((5, 7), None, 5),
        ((5, 4, 0), None, 5),
        ((4, 4), None, 4),
        ((4, 0), None, 3),
        ((4, 7), None, 3),
    ],
)
def test_the_strongest_outcome_decides(codes: tuple[int, ...], signal: int | None, expected: int) -> None:
    """1, a signal, 6, 7 for all, 5 for any, 4 for all, 3."""
    assert result(*codes, signal=signal).exit_code == expected


@pytest.mark.parametrize(
    ("run", "status"),
    [
        (result(0, 0), RunStatus.SUCCEEDED),
        (result(4, 4), RunStatus.FAILED),
        (result(0, 4), RunStatus.FAILED),
        (result(0, 5), RunStatus.INCOMPLETE),
        (result(0, 4, signal=15), RunStatus.INTERRUPTED),
    ],
)
def test_a_run_has_one_status(run: RunResult, status: RunStatus) -> None:
    """The common one, else what the exit code stands for."""
    assert run.status is status


def test_counts_add_up() -> None:
    """Two parts together."""
    assert Counts(pages=1, fetched=10) + Counts(pages=2, rejected=1) == Counts(pages=3, fetched=10, rejected=1)
