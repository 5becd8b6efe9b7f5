"""PostgreSQL goes away half way: the run waits for it, and a COMMIT without an answer is neither lost nor doubled."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from typing import Literal

import pytest
from sqlalchemy.engine import make_url

Where = Literal["before", "after"]


class CommitCutter:
    """A proxy in front of PostgreSQL that cuts the line at `chance` of the COMMITs, `most` times.

    `before`: the server never hears of the COMMIT. `after`: it has committed, and the client never hears of it.
    """

    def __init__(self, target: str, where: Where, *, seed: int, chance: float = 0.3, most: int = 1_000) -> None:
        self.target = target
        self.where = where
        self.chance = chance
        self.most = most
        self.cuts = 0
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def close(self) -> None:
        self._listener.close()
        for line in list(self._open):
            line.close()

    def _server(self) -> socket.socket:
        if self.target.startswith("/"):
            line = socket.socket(socket.AF_UNIX)
            line.connect(self.target)
            return line
        host, _, port = self.target.rpartition(":")
        return socket.create_connection((host, int(port)))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._server()
                self._open |= {client, server}
                doomed = threading.Event()
                threading.Thread(target=self._asking, args=(client, server, doomed), daemon=True).start()
                threading.Thread(target=self._answering, args=(client, server, doomed), daemon=True).start()

    def _asking(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT\0" in data and self._strikes():
                    if self.where == "before":
                        break
                    doomed.set()
                server.sendall(data)
        if not doomed.is_set():
            self._hang_up(client, server)

    def _answering(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if doomed.is_set() and b"COMMIT\0" in data:
                    break
                client.sendall(data)
        self._hang_up(client, server)

    def _strikes(self) -> bool:
        with self._lock:
            struck = self.cuts < self.most and self._rng.random() < self.chance
            self.cuts += struck
            return struck

    def _hang_up(self, *lines: socket.socket) -> None:
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
            self._open.discard(line)


SYNC = ("sync", "--quiet", "--concurrency", "3")
KILL = """
    SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'everypage'
"""


@pytest.fixture
def cutter(pg):
    """`cutter("after", seed=1)` is a proxy in front of the test's PostgreSQL."""
    made: list[CommitCutter] = []
    url = make_url(pg.database)
    host, port = str(url.query.get("host") or url.host), url.port or 5432
    target = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else f"{host}:{port}"

    def make(where: Where, **options: float) -> CommitCutter:
        made.append(CommitCutter(target, where, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def arrived(ground, done) -> None:
    """Not a row too many, not a page counted twice."""
    assert done.code == 0, done
    ground.equals_the_truth()
    ground.is_sound()


def test_a_run_outlives_the_end_of_all_its_connections(pg) -> None:
    """An administrator, a restart, a failover: every backend is terminated, twice, half way."""
    pg.behave(latency_s=0.15)
    running = pg.start("sync", "shop.items", "--quiet", "--concurrency", "2")
    killed = 0
    for pages in (2, 8):
        pg.until(lambda pages=pages: len(pg.committed()) >= pages, f"{pages} pages")
        killed += pg.value(KILL)
    pg.behave()

    done = pg.wait(running)

    assert killed
    arrived_items = done.code
    assert arrived_items == 0, done
    pg.equals_the_truth("items")
    pg.is_sound()
    assert pg.value("SELECT count(*) AS n FROM _etl_runs") == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_commit_that_nobody_answered_is_looked_up(pg, cutter, where) -> None:
    """The line is cut at a third of all COMMITs: before they arrive, or before their answers do."""
    assert pg.forked("migrate").code == 0
    proxy = cutter(where, seed=3, chance=0.35, most=5)
    pg.behave(latency_s=0.01)

    done = pg.forked(*SYNC, ETL_DATABASE=pg.through(proxy.port))

    assert proxy.cuts
    arrived(pg, done)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", ["before", "after"])
def test_two_hundred_cut_commits_change_nothing(pg, cutter, where) -> None:
    """Every run arrives, or ends with 6 and is resumed."""
    cuts = seed = 0
    while cuts < 200:
        seed += 1
        pg.drop_everything()
        assert pg.forked("migrate").code == 0
        proxy = cutter(where, seed=seed, chance=0.5, most=6)
        pg.behave(latency_s=0.01)
        done = pg.forked(*SYNC, ETL_DATABASE=pg.through(proxy.port))
        assert done.code in (0, 6), done
        pg.is_sound()
        arrived(pg, pg.forked(*SYNC) if done.code else done)
        cuts += proxy.cuts
        pg.tally.update(cut=proxy.cuts)
