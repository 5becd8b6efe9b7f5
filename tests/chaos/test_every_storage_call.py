"""A crash or an error at every single storage call of a run: nothing is lost, doubled, or claimed without ground."""

from __future__ import annotations

import pytest

WAYS = ("kill before", "kill after", "full", "eio")
SYNC = ("sync", "--quiet", "--concurrency", "3")
CAUSES = {"full": "the disk is full", "eio": "could not be read or written"}


class Course:
    """A run that can be repeated from the same beginning and struck at any of its storage calls."""

    def __init__(self, ground, *, migrated: bool) -> None:
        self.ground = ground
        ground.behave(latency_s=0.002)
        self.empty = b""
        if migrated:
            assert ground.forked("migrate").code == 0
            ground.value("PRAGMA wal_checkpoint(TRUNCATE)")
            self.empty = ground.path.read_bytes()
        self.command = SYNC if migrated else ("migrate",)
        whole = self.struck(0, "")
        assert whole.code == 0, whole
        self.steps = whole.steps
        self.ends: list[int] = []

    def struck(self, at: int, how: str):
        self.ground.drop_everything()
        if self.empty:
            self.ground.path.write_bytes(self.empty)
        return self.ground.forked(*self.command, at=at, how=how)

    def survives(self, at: int, how: str) -> None:
        """One case: strike, look, go on, compare with the truth."""
        ground, case = self.ground, f"{how} at {at} of {self.steps}"
        done = self.struck(at, how)
        if how.startswith("kill"):
            assert done.code in (0, -9), (case, done)
        elif done.code:
            assert done.code == 6, (case, done)
            assert CAUSES[how] in done.err, (case, done)
            assert "Traceback" not in done.err, (case, done)
        ground.is_sound()
        if done.code == 0 and self.empty:
            ground.equals_the_truth()
        self.ends.append(done.code)

        resumed = ground.forked(*SYNC)

        assert resumed.code == 0, (case, resumed)
        ground.equals_the_truth()
        ground.is_sound()
        assert ground.value("SELECT count(*) AS n FROM _etl_leases WHERE holder IS NOT NULL") == 0, case
        assert ground.value("SELECT count(*) AS n FROM _etl_runs WHERE status = 'running'") == 0, case
        assert ground.value("SELECT count(*) AS n FROM _etl_run_streams WHERE status = 'running'") == 0, case


def test_a_crash_or_an_error_at_a_storage_call_loses_nothing(lite, dice) -> None:
    """Calls spread over the whole run, each struck in one way; `make chaos` strikes every call in every way."""
    course = Course(lite, migrated=True)

    for n in range(8):
        course.survives(dice.randint(course.steps * n // 8 + 1, course.steps * (n + 1) // 8), WAYS[n % 4])

    assert {-9, 6} <= set(course.ends)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("migrated", [False, True], ids=["migration", "run"])
@pytest.mark.parametrize("how", WAYS)
def test_every_storage_call_may_be_the_last(lite, how, migrated) -> None:
    """Exhaustive: every statement of the first migration, and every one of a run."""
    course = Course(lite, migrated=migrated)

    for at in range(1, course.steps + 1):
        course.survives(at, how)

    assert sum(end != 0 for end in course.ends) > len(course.ends) // 2
