"""The daemon's clockwork with the real APScheduler. The wall clock is the test's; the event loop is real."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from etl.model.clock import SystemClock
from etl.model.schedule import Every
from etl.schedule.job import Job
from etl.schedule.scheduler import PULSE_S, Scheduler

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
DEADLINE_S = 10


class Wall:
    """A wall clock that stands still until it is moved; whoever sleeps wakes at every move, as after a pulse."""

    def __init__(self, traveller):
        self._traveller = traveller
        self._moved = asyncio.Event()

    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        await self._moved.wait()

    async def move(self, **step):
        """Shift the clock, let the pulse see it, and let everything that follows from it happen."""
        self._traveller.shift(timedelta(**step))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        await settle()


class Wish:
    """A stop that a test asks for."""

    def __init__(self):
        self._asked = asyncio.Event()
        self.signal = None

    @property
    def requested(self):
        return self._asked.is_set()

    def ask(self):
        self._asked.set()

    async def wait(self):
        await self._asked.wait()


class Diary:
    """Plays the service: remembers what the scheduler told it, and lets runs last as long as a test wants."""

    def __init__(self):
        self.begun, self.ended, self.cut_off, self.skipped, self.ticked = [], [], [], [], []
        self.gates: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()
        self.outcome = None
        self.side_by_side = self.most = 0
        self.threads = set()

    def hold(self, stream):
        self.gates[stream] = asyncio.Event()
        return self.gates[stream]

    async def run(self, job, due_at):
        self.begun.append((job.stream_id, f"{due_at:%d %H:%M}"))
        self.threads.add(threading.get_ident())
        self.side_by_side += 1
        self.most = max(self.most, self.side_by_side)
        try:
            if job.stream_id in self.gates:
                await self.gates[job.stream_id].wait()
            if job.stream_id in self.failing:
                raise RuntimeError("the run broke")
        except asyncio.CancelledError:
            self.cut_off.append(job.stream_id)
            raise
        finally:
            self.side_by_side -= 1
        self.ended.append(job.stream_id)
        return self.outcome

    async def skip(self, job, due_at, reason):
        self.skipped.append((job.stream_id, f"{due_at:%d %H:%M}", reason))

    async def tick(self, job, due_at):
        self.ticked.append((job.stream_id, f"{due_at:%d %H:%M}"))


async def settle():
    """Let everything happen that can happen without time passing."""
    for _ in range(40):
        await asyncio.sleep(0)


def job(stream="s.a", schedule="every 15m", *, ago=None, **step):
    """A job whose last tick lies `ago` before noon; None for one that never ran."""
    last = NOON - timedelta(**step) if step else ago
    return Job(stream_id=stream, schedule=schedule, last_scheduled_at=last)


@pytest.fixture
def traveller():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def diary():
    return Diary()


@pytest.fixture
def wish():
    return Wish()


@pytest.fixture
async def serving(traveller, diary, wish):
    """`async with serving(jobs) as (wall, scheduler):`, stopped at the end unless the test did it."""

    @contextlib.asynccontextmanager
    async def serve(*jobs, **options) -> AsyncIterator:
        wall = Wall(traveller)
        async with (
            asyncio.timeout(DEADLINE_S),
            Scheduler(jobs, diary.run, diary.skip, diary.tick, clock=wall, **options) as scheduler,
            asyncio.TaskGroup() as group,
        ):
            waiting = group.create_task(scheduler.wait(wish))
            await settle()
            yield wall, scheduler
            for gate in diary.gates.values():
                gate.set()
            wish.ask()
            await waiting

    return serve


# --- ticks ---


async def test_downtime_is_caught_up_with_by_one_run_at_once(serving, diary):
    """Three days off are one run of the newest tick, and the next tick runs as usual."""
    async with serving(job(days=3, minutes=7)) as (wall, _):
        assert diary.begun == [("s.a", "04 11:53")]
        assert diary.ticked == [("s.a", "04 11:53")]

        await wall.move(minutes=7)
        await wall.move(minutes=1)

        assert diary.begun == [("s.a", "04 11:53"), ("s.a", "04 12:08")]


async def test_a_stream_that_never_ran_runs_at_once(serving, diary):
    """Also one that is due once a year."""
    async with serving(job("s.new", "@yearly")):
        assert diary.begun == [("s.new", "04 12:00")]


async def test_nothing_runs_before_its_time(serving, diary):
    """And then it does, at the tick, once."""
    async with serving(job(minutes=5)) as (wall, _):
        await wall.move(minutes=9)
        assert diary.begun == []

        await wall.move(minutes=1)
        await wall.move(seconds=1)
        assert diary.begun == [("s.a", "04 12:10")]


async def test_a_tick_that_is_minutes_late_still_runs(serving, diary):
    """The library's default would drop it after one second: a blocked loop must not cost a run."""
    async with serving(job(minutes=5)) as (wall, _):
        await wall.move(minutes=13)

        assert diary.begun == [("s.a", "04 12:10")]


async def test_a_suspended_machine_catches_up_once_per_stream(serving, diary):
    """The timers of the event loop do not count the time of a suspend; the pulse looks at the wall clock."""
    async with serving(job("s.a", minutes=5), job("s.b", "0 * * * *", minutes=0)) as (wall, _):
        await wall.move(days=3)

        assert sorted(diary.begun) == [("s.a", "07 11:55"), ("s.b", "07 12:00")]


async def test_jitter_moves_the_ring_but_not_the_tick(serving, diary):
    """Up to ten seconds late; what is recorded stays on the grid."""
    async with serving(job(minutes=5), jitter_s=10) as (wall, _):
        await wall.move(minutes=10, seconds=10)
        await wall.move(minutes=15)

        assert diary.ticked == [("s.a", "04 12:10"), ("s.a", "04 12:25")]


async def test_a_small_step_back_does_not_run_a_tick_twice(serving, diary):
    """NTP sets the clock back by 30 s just after a tick."""
    async with serving(job(minutes=15)) as (wall, _):
        assert diary.begun == [("s.a", "04 12:00")]

        await wall.move(seconds=-30)
        await wall.move(seconds=40)
        assert diary.begun == [("s.a", "04 12:00")]

        await wall.move(minutes=15)
        assert diary.begun == [("s.a", "04 12:00"), ("s.a", "04 12:15")]


async def test_a_clock_that_was_a_year_ahead_does_not_silence_the_streams(serving, diary):
    """When it is set right, the streams go on from there."""
    async with serving(job(minutes=5)) as (wall, _):
        await wall.move(days=365)
        await wall.move(days=-365)
        await wall.move(minutes=15)
        await wall.move(minutes=15)

        assert diary.begun[-2:] == [("s.a", "04 12:15"), ("s.a", "04 12:30")]


async def test_the_next_ticks_can_be_shown(serving, diary):
    """What `etl serve` prints when it starts."""
    async with serving(job("s.a", minutes=5), job("s.b", "30 2 * * *", minutes=5)) as (_, scheduler):
        assert scheduler.upcoming == {
            "s.a": datetime(2026, 3, 4, 12, 10, tzinfo=UTC),
            "s.b": datetime(2026, 3, 5, 2, 30, tzinfo=UTC),
        }


async def test_runs_live_in_the_event_loop(serving, diary):
    """The library would put a plain function into a thread; runs share connections and must not leave the loop."""
    async with serving(job()):
        assert diary.threads == {threading.get_ident()}


async def test_the_clockwork_rings_without_a_pulse():
    """With the real clock and a schedule of milliseconds, long before the first pulse."""
    assert PULSE_S > DEADLINE_S
    diary, wish, thrice = Diary(), Wish(), asyncio.Event()

    async def tick(job, due_at):
        diary.ticked.append(due_at)
        if len(diary.ticked) == 3:
            thrice.set()

    quick = Job(stream_id="s.quick", schedule=Every(timedelta(milliseconds=20)))
    async with (
        asyncio.timeout(DEADLINE_S),
        Scheduler([quick], diary.run, diary.skip, tick, clock=SystemClock()) as scheduler,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(scheduler.wait(wish))
        await thrice.wait()
        wish.ask()

    steps = {(later - earlier) % timedelta(milliseconds=20) for earlier, later in itertools.pairwise(diary.ticked)}
    assert steps == {timedelta(0)}


# --- overlap and crowds ---


async def test_a_run_longer_than_its_interval_skips_ticks_and_says_so(serving, diary):
    """Never two runs of one stream; the ticks it took the place of are acted upon with it."""
    gate = diary.hold("s.a")
    async with serving(job(minutes=15)) as (wall, scheduler):
        await wall.move(minutes=15)
        await wall.move(minutes=15)
        assert scheduler.running == ("s.a",)
        assert diary.begun == [("s.a", "04 12:00")]
        assert diary.skipped == [
            ("s.a", "04 12:15", "skipped, the run of 2026-03-04T12:00:00Z is still going"),
            ("s.a", "04 12:30", "skipped, the run of 2026-03-04T12:00:00Z is still going"),
        ]

        gate.set()
        await settle()
        assert diary.ticked == [("s.a", "04 12:30")]

        await wall.move(minutes=15)
        assert diary.begun == [("s.a", "04 12:00"), ("s.a", "04 12:45")]


async def test_a_long_run_does_not_hold_up_the_other_streams(serving, diary):
    """Overlap is a matter of one stream alone."""
    diary.hold("s.slow")
    async with serving(job("s.slow", minutes=15), job("s.a", minutes=15)) as (wall, _):
        await wall.move(minutes=15)

        assert [stream for stream, _ in diary.begun] == ["s.a", "s.slow", "s.a"]


async def test_a_hundred_streams_due_at_once_take_turns(serving, diary):
    """At most three side by side, the longest waiting first, and each exactly once."""
    jobs = [job(f"s.{n:03}", "every 1h", minutes=60 + n) for n in range(55)]
    jobs += [job(f"t.{n:03}", "every 1h") for n in range(45)]
    gates = [diary.hold(j.stream_id) for j in jobs]
    async with serving(*jobs, at_once_limit=3) as (_, scheduler):
        assert scheduler.running == ("s.054", "s.053", "s.052")

        for gate in gates:
            gate.set()
        await settle()
        while len(diary.ended) < 100:
            await settle()

        assert diary.most == 3
        assert sorted(diary.ended) == [j.stream_id for j in jobs]
        assert [stream for stream, _ in diary.begun[:55]] == [f"s.{n:03}" for n in reversed(range(55))]


async def test_a_tick_of_a_stream_that_waits_for_a_place_is_skipped(serving, diary):
    """The queue holds a stream once, so that it cannot grow."""
    diary.hold("s.first")
    jobs = job("s.first", "every 1h", minutes=60), job("s.second", minutes=15)
    async with serving(*jobs, at_once_limit=1) as (wall, _):
        await wall.move(minutes=15)

        assert diary.begun == [("s.first", "04 12:00")]
        assert diary.skipped == [
            ("s.second", "04 12:15", "skipped, the run of 2026-03-04T12:00:00Z still waits for a free place")
        ]


async def test_a_run_that_raises_leaves_the_scheduler_alive(serving, diary, caplog):
    """It is logged, the tick counts as acted upon, and the next one runs."""
    diary.failing.add("s.a")
    async with serving(job(minutes=15)) as (wall, _):
        await wall.move(minutes=15)

        assert diary.begun == [("s.a", "04 12:00"), ("s.a", "04 12:15")]
        assert diary.ticked == [("s.a", "04 12:00"), ("s.a", "04 12:15")]
        assert "the scheduled run of s.a failed unexpectedly" in caplog.text


async def test_a_report_that_raises_leaves_the_scheduler_alive(serving, diary, caplog):
    """The database may be gone for a moment when a tick is recorded."""

    async def refuse(*_):
        raise RuntimeError("no database")

    diary.tick = diary.skip = refuse
    gate = diary.hold("s.a")
    async with serving(job(minutes=15)) as (wall, _):
        await wall.move(minutes=15)
        gate.set()
        await settle()
        await wall.move(minutes=15)

        assert diary.begun == [("s.a", "04 12:00"), ("s.a", "04 12:30")]
        assert "the skipped tick of s.a could not be recorded" in caplog.text
        assert "it will be due again" in caplog.text


# --- the end ---


async def test_a_stop_lets_a_run_end_within_the_grace(serving, diary, wish):
    """The library's own shutdown would have cancelled it."""
    gate = diary.hold("s.a")
    async with serving(job(minutes=15)):
        wish.ask()
        await settle()
        assert diary.ended == []

        gate.set()

    assert diary.ended == ["s.a"]
    assert diary.cut_off == []
    assert diary.ticked == [("s.a", "04 12:00")]


async def test_a_run_that_outlasts_the_grace_is_cut_off_and_stays_due(serving, diary, wish):
    """Its tick is not recorded, so that the next start resumes it at once."""
    diary.hold("s.a")
    async with serving(job(minutes=15), grace_s=0.01):
        wish.ask()
        while not diary.cut_off:
            await asyncio.sleep(0.001)

    assert diary.cut_off == ["s.a"]
    assert diary.ticked == []


async def test_a_run_that_was_cut_short_by_the_stop_stays_due(serving, diary, wish):
    """It watched the wish itself, committed what it had, and says so with False."""
    gate = diary.hold("s.a")
    diary.outcome = False
    async with serving(job(minutes=15)):
        wish.ask()
        gate.set()

    assert diary.ended == ["s.a"]
    assert diary.ticked == []


async def test_after_a_stop_nothing_begins(serving, diary, wish):
    """Neither a stream that waits for a place, nor a tick that comes during the grace."""
    diary.hold("s.first")
    jobs = job("s.first", "every 1h", minutes=60), job("s.second", minutes=15), job("s.third", minutes=5)
    async with serving(*jobs, at_once_limit=1) as (wall, _):
        wish.ask()
        await settle()
        await wall.move(minutes=15)

    assert diary.begun == [("s.first", "04 12:00")]
    assert diary.ended == ["s.first"]


async def test_a_cancelled_body_leaves_nothing_behind(traveller, diary, wish):
    """No task, no timer: the loop can be closed."""
    diary.hold("s.a")

    async def serve():
        async with Scheduler([job(minutes=15)], diary.run, diary.skip, diary.tick, clock=Wall(traveller)) as scheduler:
            await scheduler.wait(wish)

    before = asyncio.all_tasks()
    task = asyncio.ensure_future(serve())
    await settle()
    assert diary.begun == [("s.a", "04 12:00")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, DEADLINE_S)

    assert diary.cut_off == ["s.a"]
    assert asyncio.all_tasks() == before


async def test_a_scheduler_without_jobs_waits_for_its_stop(serving):
    """An empty selection is served quietly."""
    async with serving() as (wall, scheduler):
        await wall.move(days=1)

        assert scheduler.upcoming == {}
        assert scheduler.running == ()
