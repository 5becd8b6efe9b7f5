"""kill -9 at random moments of real processes, under faults and latency: the table ends as the API's truth."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from etl.testing.fault_plan import plan

SYNC = ("sync", "--quiet", "--concurrency", "4")
ALL = {f"page:{n}" for n in range(25)}
HANDFUL = 6
"""Committed pages that a resume may fetch again for its proof: the first, the last, and those about them."""


def kill_and_resume(ground, dice, *, kills: int) -> int:
    """One table, killed again and again on its way, then finished. How many kills met a process at work."""
    met = 0
    ground.behave(0.05, plan("some", dice.randint(1, 1000)))
    for _ in range(kills):
        running = ground.start(*SYNC)
        time.sleep(min(0.35 + dice.expovariate(1 / 0.5), 3.0))
        met += running.poll() is None
        running.send_signal(signal.SIGKILL)
        ground.wait(running)
        ground.is_sound()
    return met


def goes_on(ground) -> None:
    """The next run asks for what is missing and a handful; then the table is the truth."""
    last = ground.rows("SELECT generation, status FROM _etl_run_streams WHERE stream = 'shop.items' ORDER BY ordinal")
    is_open = bool(last) and last[-1]["status"] != "succeeded"
    before = ground.committed(last[-1]["generation"]) if is_open else set()
    ground.behave()
    ground.asked()

    done = ground.etl(*SYNC)

    assert done.code == 0, done
    asked = ground.asked()
    assert set(asked) >= ALL - before
    assert len([position for position in asked if position in before]) <= HANDFUL
    ground.equals_the_truth()
    ground.is_sound()


def test_a_run_killed_again_and_again_ends_with_the_truth(ground, dice) -> None:
    """Every new process replaces the dead one at once and goes on with its pages."""
    met = kill_and_resume(ground, dice, kills=2)

    goes_on(ground)
    assert met


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_nothing(ground, dice) -> None:
    """CHAOS_KILLS chooses another number."""
    kills, met = int(os.environ.get("CHAOS_KILLS", "200")), 0
    while met < kills:
        ground.drop_everything()
        met += kill_and_resume(ground, dice, kills=4)
        goes_on(ground)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync,fsync", "ftruncate", "unlink"])
def test_the_kernel_kills_or_refuses_at_storage_calls(lite, call) -> None:
    """Below SQLite: SIGKILL, a full disk and a failing disk at the calls themselves. Needs strace."""
    if not any(Path(folder, "strace").exists() for folder in os.environ["PATH"].split(":")):
        pytest.skip("strace is not installed")
    ends = set()
    for how in ("signal=KILL:when={k}", "error=ENOSPC:when={k}+", "error=EIO:when={k}"):
        for k in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
            lite.drop_everything()
            inject = f"inject={call}:{how.format(k=k)}"
            strace = ("strace", "-f", "-qq", "-o", os.devnull, "-P", str(lite.path), "-P", f"{lite.path}-wal")
            struck = lite.wait(lite.start(*SYNC, before=(*strace, "-e", inject)))
            assert struck.code in (0, 6, -9), (call, how, k, struck)
            assert "Traceback" not in struck.err
            lite.is_sound()
            if struck.code == 0:
                lite.equals_the_truth()
            goes_on(lite)
            ends.add(struck.code)
    assert ends >= ({-9, 6} if call == "pwrite64" else {0})
