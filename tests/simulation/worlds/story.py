"""What happens in a world: acts drawn from a seed, each a life or two of the product, and the quiet end."""

from __future__ import annotations

import asyncio
import gc
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from etl.db.database import open_database
from etl.errors import DatabaseRefused, LeaseLost
from etl.model.clock import SystemClock
from etl.service.sync import SyncOptions
from worlds.api import FAULTS, Api, Weather
from worlds.kinds import KINDS, Kind
from worlds.life import Fate, Life, World
from worlds.loop import SimulatedLoop, Stuck, quietly
from worlds.model import Collection
from worlds.oracle import Broken, Oracle, expect

QUIET = Weather()
LAG_S = 300.0


@dataclass
class Trace:
    """What was seen of a story, for people and for comparing two executions."""

    seed: int
    kind: str = ""
    lines: list[str] = field(default_factory=list)
    killed: int = 0
    runs: int = 0
    verified: int = 0
    requests: int = 0
    steps: int = 0
    failure: str = ""
    broken: bool = False
    """The failure is a promise that was not kept, not an exception that nobody expected."""

    def note(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True, kw_only=True)
class Theme:
    """How likely things are; a hunt for one bug may look where it lives. The default is a bit of everything."""

    two: float = 0.12
    change: float = 0.15
    fates: tuple[int, ...] = tuple(range(9))
    fatal: tuple[float, ...] = (0.0, 0.0, 0.0, 0.03)
    faults: tuple[float, ...] = (0.0, 0.0, 0.05, 0.3)
    churn: tuple[float, ...] = (0.0, 0.05, 0.3, 0.8)
    lagged: float = 0.6
    dated: float = 0.7
    half: float = 0.3
    slow: tuple[float, ...] = (0.05, 0.5, 4.0)
    skew: tuple[float, float] = (-1.0, 1.0)


ANY = Theme()


def play(seed: int, kind: str | None = None, theme: Theme = ANY) -> Trace:
    """Execute one seed; its failure, if any, is in the trace."""
    trace = Trace(seed)
    with _folder() as folder, _still(), quietly():
        order = random.Random(f"{seed} order")
        loop = SimulatedLoop(order, shuffled=order.random() < 0.8)
        asyncio.set_event_loop(loop)
        story = Story(seed, loop, folder, trace, kind, theme)
        with story.world.laws():
            trace.failure, trace.broken = _failure(loop, story)
            trace.steps = loop.steps
            for life in story.world.lives:
                life.is_dead = True
            del story
            loop.abandon()
            gc.collect()
        asyncio.set_event_loop(None)
        loop.close()
    return trace


def _failure(loop: SimulatedLoop, story: Story) -> tuple[str, bool]:
    try:
        loop.run_until_complete(story.play())
    except (Broken, Stuck) as broken:
        return str(broken), True
    except Exception as error:
        return f"{type(error).__name__}: {error}", False
    return "", False


class Story:
    """One seed."""

    def __init__(
        self, seed: int, loop: SimulatedLoop, folder: Path, trace: Trace, kind: str | None, theme: Theme
    ) -> None:
        self.seed = seed
        self.theme = theme
        self.trace = trace
        rng = self._dice("world")
        self.kind = KINDS[kind or self._dice("kind").choice(list(KINDS))]
        trace.kind = self.kind.name
        self.lagged = rng.random() < theme.lagged
        nature = self.kind.nature
        if not self.lagged:  # without a lag nothing may be committed late
            nature = replace(nature, late_s=0.0, skew_s=0.0)
        nature = replace(nature, fraction=rng.random() < 0.4)
        collection = Collection(self._dice("rows"), nature, loop.time)
        collection.skew_s = nature.skew_s * rng.uniform(*theme.skew)
        self.api = _api(self.kind, collection, self._dice("api"), theme)
        self.size = rng.choice((2, 3, 5, 8, 20))
        self.scope = "half" if not self.kind.incremental and rng.random() < theme.half else "all"
        self.world = World(rng=self._dice("product"), loop=loop, folder=folder, api=self.api)
        self.clock_matters = self.kind.windowed or not self.api.tells_date  # nothing else tells the time then
        self.world.wall_skew_s = 0.0 if self.clock_matters else rng.choice((0.0, 0.0, 3600.0, -3600.0))
        self.oracle = Oracle(self.kind, collection, self.api)
        self.oracle.scope = self.scope
        self.step = rng.choice(("", ", step: 1h", ", step: 20m")) if self.kind.windowed else ""
        collection.fill(rng.choice((0, 1, 7, 20, 45, 90, 130)), age_s=3 * 3600)

    def _dice(self, what: str) -> random.Random:
        """Dice of its own for everything that is drawn: a new draw in one place changes no other."""
        return random.Random(f"{self.seed} {what}")

    async def play(self) -> None:
        """Acts, then the end."""
        self._configure()
        for number in range(self._dice("acts").randint(1, 4)):
            await self._act(number)
        await self._end()
        self.trace.requests = sum(self.api.requests.values())
        expect(self.world.loop.time() < 48 * 3600, f"O6: it took {self.world.loop.time():,.0f} s")

    # acts

    async def _act(self, number: int) -> None:
        rng, world = self._dice(f"act {number}"), self.world
        await asyncio.sleep(rng.choice((1.0, 40.0, 400.0, 4000.0)))
        for _ in range(rng.choice((0, 0, 2, 10))):
            self.api.collection.mutate()
        if self.api.collection.nature.removes and rng.random() < 0.04:
            self.api.collection.mass_delete()
        if rng.random() < self.theme.change:
            self._change_configuration(rng)
        if rng.random() < 0.1:
            world.wall_skew_s += 0.0 if self.clock_matters else rng.choice((7200.0, -1800.0))
        self.api.weather = self._weather(self._dice(f"weather {number}"))
        options = SyncOptions(full=rng.random() < 0.15)
        if rng.random() < self.theme.two:
            await self._two(number, options)
            return
        fate = self._fate(self._dice(f"fate {number}"))
        self.trace.note(f"act {number}: {self.api.weather} {fate} full={options.full}")
        self._ended(await world.live(options, fate))

    async def _two(self, number: int, options: SyncOptions) -> None:
        """The first is frozen for longer than its lease lasts; meanwhile somebody else takes over."""
        ttl, rng = self.world.ttl_s, self._dice(f"two {number}")
        frozen = Fate(pause_at=rng.randint(20, 220), pause_s=rng.choice((0.5, 3.0)) * ttl)
        wait = rng.choice((0.1, 1.3 * ttl, 2.5 * ttl))
        self.trace.note(f"act {number}: two lives, {frozen}, the other after {wait:.0f} s")

        async def lived(after: float, fate: Fate) -> None:
            await asyncio.sleep(after)
            self._ended(await self.world.live(options, fate))

        await asyncio.gather(lived(0, frozen), lived(wait, Fate()))

    def _change_configuration(self, rng: random.Random) -> None:
        if self.scope == "half":
            self.scope = self.oracle.scope = "all"
        else:
            self.size = rng.choice((2, 4, 7, 15))
        self._configure()

    def _configure(self) -> None:
        text = self.kind.yaml(
            size=self.size,
            lag="5m" if self.lagged else "0s",
            scope=self.scope,
            retries=4,
            concurrency=self._dice(self.trace.kind).choice((1, 4, 8)),
            step=self.step,
        )
        self.world.configure(text)

    def _weather(self, rng: random.Random) -> Weather:
        return Weather(
            faults=rng.choice(self.theme.faults),
            kinds=tuple(rng.sample(FAULTS, rng.randint(1, 4))),
            churn=rng.choice(self.theme.churn),
            most_changes=rng.choice((1, 1, 3)),
            slow_s=rng.choice(self.theme.slow),
            short=rng.choice((0.0, 0.3)) if self.kind.short else 0.0,
            expire=rng.choice((0.0, 0.0, 0.1)),
            blind=self.kind.infers and rng.random() < 0.05,
            fatal=rng.choice(self.theme.fatal),
        )

    def _fate(self, rng: random.Random) -> Fate:
        match rng.choice(self.theme.fates):
            case 0 | 1:
                return Fate(at_call=rng.randint(1, 400), how=rng.choice(("kill before", "kill after")))
            case 2:
                return Fate(at_commit=rng.randint(1, 14), how=rng.choice(("kill before", "kill after")))
            case 3:
                return Fate(at_step=rng.randint(10, 6000))
            case 4:
                return Fate(at_commit=rng.randint(1, 14), how=rng.choice(("lost", "lost after")))
            case 5:
                return Fate(at_call=rng.randint(30, 400), how="lost")
            case 6:
                ends = rng.uniform(0.05, 8.0)
                return Fate(stop_after_s=ends) if rng.random() < 0.5 else Fate(cancel_after_s=ends)
        return Fate()

    # judgement

    def _ended(self, life: Life) -> None:
        """What must hold after a life, however it ended."""
        trace = self.trace
        if life.result is None:
            trace.killed += life.error is None
            # The folder has another name each time, and may stand in the error.
            told = repr(life.error).replace(f"{self.world.folder}/", "")
            trace.note(f"  {life.name}: killed at call {life.calls}, commit {life.commits}; {told}")
        self._ended_cleanly(life)
        with self.world.reader() as db:
            self.oracle.is_sound(db)
            if life.pid in self.world.begun_while:
                self.oracle.fenced(db, self.world.begun_while[life.pid])
            run = self.oracle.kept_its_word(db, life.pid)
            self.oracle.watermark_is_safe(db)
        trace.runs += 1
        if run is not None:
            trace.verified += run.verdict == "verified"
            trace.note(f"  {life.name}: {run.status} {run.verdict} {run.reason} since={run.since}")
        self._bounded(life)

    def _ended_cleanly(self, life: Life) -> None:
        error = life.error
        if error is None or life.fate.cancel_after_s:
            return
        # Whoever is frozen in the middle of a transaction keeps the file locked for everybody.
        excused = life.fate.how.startswith("lost") or any(each.fate.pause_at for each in self.world.lives[-2:])
        if isinstance(error, DatabaseRefused | LeaseLost) and excused:
            return
        raise error

    def _bounded(self, life: Life) -> None:
        """O5: however rough it is, a run asks for a bounded number of pages."""
        rows = len(self.api.collection.history) + 10
        asked = self.api.requests.get(life.name, 0)
        pages = -(-rows // max(self.size - 1, 1)) + 3
        windows = 60 if self.step else 1
        expect(asked <= 40 * pages + 20 * windows + 80, f"O5: {asked} requests for {pages} pages")

    # the end

    async def _end(self) -> None:
        """O1: nothing changes any more and the lag is over; an incremental run, then a full one, must bring all."""
        self.api.weather, self.api.lies = QUIET, 0
        self.api.collection.finish(heal=self.kind.infers)
        await asyncio.sleep(8 * 3600)
        self.trace.note("the end")
        await self._until_succeeded(SyncOptions())
        with self.world.reader() as db:
            self.oracle.watermark_is_safe(db)
        if self.kind.incremental:
            await self._until_succeeded(SyncOptions(full=True))
        for _ in range(3):
            with self.world.reader() as db:
                if not self.oracle.deletes_left(db):
                    break
            await self._until_succeeded(SyncOptions(full=self.kind.incremental))
        with self.world.reader() as db:
            self.oracle.equals_the_server(db)

    async def _until_succeeded(self, options: SyncOptions) -> None:
        for _ in range(4):
            life = await self.world.live(options, Fate())
            self._ended(life)
            assert life.result is not None
            (stream,) = life.result.streams
            if stream.status == "succeeded":
                return
            if (
                stream.status == "incomplete"
                and "returned no rows" in stream.reason
                and not self.api.view({"scope": self.scope})
            ):
                return  # an empty answer is not believed where rows are stored, even when it is true
            named = re.search(r"--confirm-deletes (\d+)", stream.reason)
            options = replace(options, confirm_deletes=int(named[1]) if named else None)
            await asyncio.sleep(1)
        raise Broken(f"O1: no run succeeds on a quiet list: {stream.status}, {stream.reason}")


def _api(kind: Kind, collection: Collection, rng: random.Random, theme: Theme) -> Api:
    repeats = kind.told and kind.pages.startswith("{number")
    return Api(
        collection=collection,
        rng=random.Random(rng.random()),
        sort=kind.sort,
        chain=kind.chain,
        past_end=rng.choice(("empty", "empty", "404", "last" if repeats else "empty")),
        tells_date=rng.random() < theme.dated,
        lies=rng.choice((-7, -1, 1, 30)) if kind.lies else 0,
        most=rng.choice((1000, 1000, 4)) if kind.params.startswith(("offset", "page")) else 100_000,
    )


@cache
def _migrated() -> bytes:
    """A database with its state tables, made once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "etl.db")

        async def make() -> None:
            async with open_database(f"sqlite:///{path}", clock=SystemClock()) as database:
                await database.migrate()

        asyncio.run(make())
        return path.read_bytes()


@contextmanager
def _folder() -> Iterator[Path]:
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=shared if shared.is_dir() else None))
    try:
        (folder / "etl.db").write_bytes(_migrated())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _still() -> Iterator[None]:
    """Collecting garbage runs code at any moment; between stories it may."""
    if not gc.get_freeze_count():
        gc.freeze()  # what is imported stays, and need not be looked at again
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
