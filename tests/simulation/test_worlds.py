"""Seeded worlds over the whole way: the real service, client, proofs, writer and run store on a real SQLite file.

`make simulate` plays thousands of them; here a handful, those that once failed, and the test of the test.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds.kinds import KINDS
from worlds.planted import BUGS, Bug
from worlds.story import play

SEEDS = Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8").splitlines()
KEPT = [(int(line.split()[0]), line.split()[1]) for line in SEEDS if line and not line.startswith("#")]


@pytest.mark.parametrize("seed", range(6))
def test_every_promise_is_kept_in_a_world_of_any_kind(seed: int) -> None:
    """Changes, faults, crashes and rivals, whatever the seed draws."""
    assert play(seed).failure == ""


@pytest.mark.parametrize(("seed", "kind"), KEPT)
def test_a_seed_that_once_failed_is_played_again(seed: int, kind: str) -> None:
    """Kept in `seeds.txt`, with the story of each."""
    assert play(seed, kind).failure == ""


def test_one_seed_is_one_execution() -> None:
    """A failing seed can be repeated: the same steps, requests and ends."""
    first, second = play(4), play(4)

    assert (first.lines, first.requests, first.steps) == (second.lines, second.requests, second.steps)


QUICK = ("doubled-keys", "ledger-first", "no-lag", "short-page-ends")


@pytest.mark.parametrize(
    "bug",
    [pytest.param(bug, id=bug.name, marks=() if bug.name in QUICK else pytest.mark.slow) for bug in BUGS],
)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """The test of the test: a world notices it that passes without it."""
    assert bug.hunt() is not None, f"nobody noticed that {bug.what!r} does not hold any more"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_worlds_of_every_kind(kind: str) -> None:
    """Longer than the default run, shorter than `make simulate`."""
    failures = [trace for trace in (play(seed, kind) for seed in range(200)) if trace.failure]

    assert failures == []
