"""One process of the product in a world: the real object graph over a real SQLite file, killed or not."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import etl.bootstrap
import etl.extract.client
import etl.runs.cursors
import etl.runs.lease
import etl.runs.stale
import etl.runs.store
from etl.model.events import Event, StreamStarted
from etl.model.run import RunResult
from etl.runs.process import Process
from etl.service.sync import SyncOptions, sync
from worlds.api import Api, Wire
from worlds.driver import Storage, on_the_loop
from worlds.loop import LIFE, SimulatedLoop
from worlds.model import EPOCH


@dataclass(kw_only=True)
class Fate:
    """What happens to a life. Numbers count storage calls or commits, 0 is never.

    `how` is one of the driver's strikes. `at_step` kills between two callbacks of the loop, that many after the
    beginning. `pause_at` freezes it at that call for `pause_s`. `stop_at` asks it to stop, as SIGTERM does.
    """

    at_call: int = 0
    at_commit: int = 0
    how: str = ""
    at_step: int = 0
    pause_at: int = 0
    pause_s: float = 0.0
    stop_after_s: float = 0.0
    cancel_after_s: float = 0.0


class Wish:
    """The Stop port."""

    signal: int | None = None

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    @property
    def requested(self) -> bool:
        return self.signal is not None

    async def wait(self) -> None:
        await self._asked.wait()

    def ask(self) -> None:
        self.signal = 15
        self._asked.set()


class Life(Storage):
    """A process. `pid` is its number; processes that died are known to be dead by every other one."""

    def __init__(self, pid: int, world: World, fate: Fate) -> None:
        super().__init__(f"life {pid}")
        self.pid = pid
        self.fate = fate
        self.result: RunResult | None = None
        self.error: BaseException | None = None
        self.events: list[Event] = []
        self.commit_times: list[float] = []
        self._world = world
        self._rng = random.Random(world.rng.random())

    @property
    def process(self) -> Process:
        return Process(host="world", pid=self.pid, started=f"boot/ns/{self.pid}")

    def latency(self) -> float:
        return self._rng.choice((0.0, 0.0, 0.001, 0.02))

    def strikes(self, what: str) -> str:
        fate = self.fate
        if fate.pause_at and self.calls == fate.pause_at:
            self._world.pause(self, fate.pause_s)
        hit = (fate.at_call and self.calls == fate.at_call) or (
            what == "commit" and fate.at_commit and self.commits == fate.at_commit
        )
        if not hit:
            return ""
        return fate.how if what == "commit" else fate.how.replace("lost after", "lost")

    def committed(self) -> None:
        self.commit_times.append(self._world.loop.time())
        self._world.on_commit(self)

    def hears(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StreamStarted):
            self._world.on_start(self)


class WorldClock:
    """Virtual time; the wall clock may be wrong, and may jump."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._world.loop.time() + self._world.wall_skew_s)

    def monotonic(self) -> float:
        return 1000.0 + self._world.loop.time()

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)


@dataclass(kw_only=True)
class World:
    """Where lives are lived: the loop, the file, the API, and the configuration as it is at the moment."""

    rng: random.Random
    loop: SimulatedLoop
    folder: Path
    api: Api
    ttl_s: float = 60.0
    wall_skew_s: float = 0.0
    lives: list[Life] = field(default_factory=list)
    begun_while: dict[int, dict[int, int]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "etl.db"

    def configure(self, text: str) -> None:
        """Write the source's file."""
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        (config / "world.yaml").write_text(text, encoding="utf-8")

    def pause(self, life: Life, seconds: float) -> None:
        """SIGSTOP now, SIGCONT later."""
        life.paused_until = self.loop.time() + seconds

        def go_on() -> None:
            life.paused_until = None
            self.loop.release()

        empty = copy_context()
        empty.run(LIFE.set, None)
        self.loop.call_later(seconds, go_on, context=empty)

    def on_commit(self, life: Life) -> None:
        """Somebody has committed."""

    def on_start(self, life: Life) -> None:
        """A stream's run began under a new token: from here on every other life is fenced."""
        with self.reader() as reader:
            lines = dict(reader.execute("SELECT ordinal, count(*) FROM _etl_pages GROUP BY ordinal").fetchall())
            known = reader.execute(
                "SELECT s.ordinal, r.pid FROM _etl_run_streams s JOIN _etl_runs r ON r.run_id = s.run_id"
            ).fetchall()
        self.begun_while[life.pid] = {ordinal: lines.get(ordinal, 0) for ordinal, pid in known if pid != life.pid}

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """The oracle's own connection."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    async def live(self, options: SyncOptions, fate: Fate) -> Life:
        """One `etl sync` from its start to its end, or to its death."""
        life = Life(len(self.lives) + 1, self, fate)
        self.lives.append(life)
        own = copy_context()
        own.run(LIFE.set, life)
        task = self.loop.create_task(self._run(life, options), context=own)
        self._watch(life, task)
        while not task.done() and not life.is_dead:
            await asyncio.sleep(0.25)
        if life.is_dead:
            return life
        if task.cancelled():
            life.error = asyncio.CancelledError()
        else:
            life.error = task.exception()
        life.is_dead = True
        return life

    def _watch(self, life: Life, task: asyncio.Task[Any]) -> None:
        fate = life.fate
        if fate.at_step:
            target = self.loop.steps + fate.at_step

            def look() -> None:
                if self.loop.steps >= target and not task.done() and not life.is_dead:
                    life.die()

            self.loop.at_step = look
        if fate.cancel_after_s:
            self.loop.call_later(fate.cancel_after_s, lambda: None if life.is_dead else task.cancel())

    async def _run(self, life: Life, options: SyncOptions) -> None:
        wish = Wish()
        if life.fate.stop_after_s:
            self.loop.call_later(life.fate.stop_after_s, wish.ask)
        environ = {"ETL_BUSY_TIMEOUT": "0.0001", "ETL_LEASE_TTL": str(self.ttl_s)}
        url = f"sqlite:///{self.path}"
        async with etl.bootstrap.open_app(
            self.folder / "config", url, environ, life.hears, clock=WorldClock(self)
        ) as app:
            life.result = await sync(app, options, wish)

    @contextmanager
    def laws(self) -> Iterator[None]:
        """What the product takes from the machine comes from the world: processes, randomness, connections."""

        def mine() -> Life:
            life = LIFE.get()
            assert isinstance(life, Life)
            return life

        def is_dead(pid: int) -> bool:
            return all(life.is_dead for life in self.lives if life.pid == pid)

        @asynccontextmanager
        async def transport(*_: object) -> Any:
            yield Wire(self.api)

        real_source = etl.extract.client.open_source

        def open_source(*args: Any, **given: Any) -> Any:
            return real_source(*args, rng=random.Random(self.rng.random()), **given)

        system = SimpleNamespace(getpid=lambda: mine().pid)
        host = SimpleNamespace(gethostname=lambda: "world")
        random.seed(self.rng.random())
        with ExitStack() as stack:
            stack.enter_context(on_the_loop())
            for target, name, value in (
                (etl.extract.client, "open_transport", transport),
                (etl.bootstrap, "open_source", open_source),
                (etl.runs.lease, "this_process", lambda: mine().process),
                (etl.runs.lease, "is_dead", lambda process: is_dead(process.pid)),
                (etl.runs.lease, "uuid", SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=f"{self.rng.random()}"))),
                (etl.runs.cursors, "secrets", SimpleNamespace(randbits=self.rng.getrandbits)),
                (etl.runs.stale, "os", system),
                (etl.runs.stale, "socket", host),
                (etl.runs.stale, "psutil", SimpleNamespace(pid_exists=lambda pid: not is_dead(pid))),
                (etl.runs.store, "os", system),
                (etl.runs.store, "socket", host),
            ):
                stack.enter_context(patch.object(target, name, value))
            yield


def utc(text: str) -> datetime:
    """A stored instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
