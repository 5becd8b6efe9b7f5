"""Permits, turns and pauses under a clock that needs no time."""

import asyncio
import random

import pytest

from etl.errors import GaveUp
from etl.extract.adaptive import AdaptiveLimit
from etl.extract.limiter import SourceLimiter
from etl.model.events import SourcePaused, Warned


@pytest.fixture
def events():
    return []


@pytest.fixture
def make(kit, clock, events):
    def build(*, fixed=None, **limits):
        return SourceLimiter("api", kit.limits(**limits), clock=clock, listener=events.append, fixed=fixed)

    return build


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_permits_than_the_limit(make):
    """The fourth has to wait until one comes back."""
    limiter = make(fixed=3)
    held = [limiter.permit() for _ in range(3)]
    for permit in held:
        await permit.__aenter__()
    waiting = asyncio.create_task(limiter.permit().__aenter__())
    await settle()
    assert (limiter.in_flight, waiting.done()) == (3, False)

    await held[0].__aexit__(None, None, None)
    await waiting

    assert limiter.in_flight == 3


async def test_permits_are_given_in_the_order_of_asking(make):
    """A late one does not overtake, even when it asks in the moment a permit comes back."""
    limiter, order = make(fixed=1), []

    async def work(name):
        async with limiter.permit():
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abcdef":
            tasks.create_task(work(name))

    assert order == list("abcdef")


async def test_an_error_under_a_permit_gives_it_back(make):
    """Nothing leaks when a fetch raises."""
    limiter = make(fixed=1)

    with pytest.raises(ValueError, match="broken"):
        async with limiter.permit():
            raise ValueError("broken")

    assert limiter.in_flight == 0


async def test_a_storm_of_cancellations_loses_no_permit(make):
    """400 tasks cancelled at any point of their life; afterwards all permits are there and nobody waits."""
    limiter, rng = make(fixed=5), random.Random(7)

    async def work():
        async with limiter.permit():
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)

    tasks = []
    for _ in range(400):
        tasks.append(asyncio.create_task(work()))
        for victim in rng.sample(tasks, min(len(tasks), rng.randrange(3))):
            victim.cancel()
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {type(None), asyncio.CancelledError}
    assert limiter.in_flight == 0
    await asyncio.wait_for(asyncio.gather(*(limiter.permit().__aenter__() for _ in range(5))), 1)
    assert limiter.in_flight == 5


async def test_a_permit_returned_while_its_next_owner_is_cancelled_goes_to_the_one_after(make):
    """Cancelled and handed over in the same turn of the loop."""
    limiter = make(fixed=1)
    await limiter.permit().__aenter__()
    second, third = (
        asyncio.create_task(limiter.permit().__aenter__()),
        asyncio.create_task(limiter.permit().__aenter__()),
    )
    await settle()

    await limiter.permit().__aexit__(None, None, None)
    second.cancel()
    await settle()

    assert second.cancelled()
    assert third.done()
    assert limiter.in_flight == 1


async def test_a_cancelled_waiter_that_was_passed_over_leaves_no_trace(make):
    """The permit came back after the cancellation, before the waiter could notice it."""
    limiter = make(fixed=1)
    await limiter.permit().__aenter__()
    waiting = asyncio.create_task(limiter.permit().__aenter__())
    await settle()

    waiting.cancel()
    await limiter.permit().__aexit__(None, None, None)
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]

    assert isinstance(outcome, asyncio.CancelledError)
    assert limiter.in_flight == 0


async def test_a_rate_spaces_the_tries_and_lets_a_burst_through(make, clock):
    """2 a second in bursts of 3: three at once, then one each half second."""
    limiter, at = make(rate=2.0, burst=3), []

    for _ in range(6):
        await limiter.turn()
        at.append(round(clock.monotonic() - 1000, 3))

    assert at == [0, 0, 0, 0.5, 1.0, 1.5]


async def test_a_pause_holds_every_request_of_the_source_back(make, clock, events):
    """Two streams share it, and it is told once."""
    limiter = make()
    limiter.pause(30, "429")

    await asyncio.gather(limiter.turn(), limiter.turn())

    assert clock.monotonic() == 1030
    assert events == [SourcePaused(source="api", seconds=30, reason="429")]


async def test_a_second_answer_with_the_same_wait_is_the_same_pause(make, clock, events):
    """Eight requests in flight are refused together; people read one line."""
    limiter = make()

    for _ in range(8):
        limiter.pause(30, "429")
        clock.advance(0.001)

    assert len(events) == 1


async def test_a_shorter_wait_does_not_shorten_a_pause(make, clock):
    """The longest wish counts."""
    limiter = make()
    limiter.pause(30, "429")
    limiter.pause(1, "503")

    await limiter.turn()

    assert clock.monotonic() == 1030


async def test_the_end_of_a_pause_does_not_let_a_crowd_out(make, clock):
    """With 1 request a second, five that waited through a pause leave one by one."""
    limiter, at = make(rate=1.0), []
    limiter.pause(10, "429")

    async def go():
        await limiter.turn()
        at.append(clock.monotonic() - 1000)

    await asyncio.gather(*(go() for _ in range(5)))

    assert at == [10, 11, 12, 13, 14]


async def test_a_cancelled_wait_for_a_turn_does_not_block_the_others(make, clock):
    """The one that waited in front of the queue disappears; the next takes its place."""
    limiter = make(rate=1.0)
    await limiter.turn()
    slow = clock.sleep
    gate = asyncio.Event()

    async def held(seconds):
        await gate.wait()
        await slow(seconds)

    clock.sleep = held
    first, second = asyncio.create_task(limiter.turn()), asyncio.create_task(limiter.turn())
    await settle()
    first.cancel()
    gate.set()

    await asyncio.wait_for(second, 1)


async def test_a_wait_beyond_a_quarter_of_an_hour_ends_the_run_with_the_time(make, events):
    """900 s are waited; 901 are not, and the message says until when."""
    make().pause(900, "429")
    limiter = make()

    with pytest.raises(GaveUp, match="api is rate limited until 2026-01-02T03:19:06Z"):
        limiter.pause(901, "429")
    with pytest.raises(GaveUp, match="rate limited until"):
        await limiter.turn()
    assert len(events) == 1


async def test_ten_years_are_refused_like_ten_hours(make):
    """A date beyond the calendar must not become an overflow."""
    with pytest.raises(GaveUp):
        make().pause(1e18, "429")


class TestAdaptiveLimit:
    """How the limit moves."""

    @staticmethod
    def busy(limit, answers, latency_s=0.05, now=0.0):
        for _ in range(answers):
            limit.answered(latency_s, now, used=True)

    def test_it_starts_small(self):
        """8, or the cap when that is smaller."""
        assert AdaptiveLimit(32).limit == 8
        assert AdaptiveLimit(4).limit == 4

    def test_it_doubles_each_round_trip_until_the_cap(self):
        """8 answers with all 8 in use make 16; never above the cap."""
        limit = AdaptiveLimit(20)
        self.busy(limit, 8)
        assert limit.limit == 16
        self.busy(limit, 50)
        assert limit.limit == 20

    def test_it_does_not_grow_while_we_are_the_bottleneck(self):
        """Fewer requests at the server than allowed: more of them would wait in our memory."""
        limit = AdaptiveLimit(32)
        for _ in range(100):
            limit.answered(0.05, 0.0, used=False)
        assert limit.limit == 8

    def test_a_refusal_cuts_to_seven_tenths_once_a_round_trip(self):
        """Eight refusals of requests that were out together are one message."""
        limit = AdaptiveLimit(32)
        self.busy(limit, 2)
        for _ in range(8):
            limit.pushed_back(100.0)
        assert limit.limit == 7
        limit.pushed_back(101.0)
        assert limit.limit == 4

    def test_where_nothing_is_known_any_more_it_grows_by_one_a_round_trip(self):
        """No more doubling, and the refusal is long ago: 5 used answers make 6."""
        limit = AdaptiveLimit(32)
        limit.pushed_back(100.0)
        assert limit.limit == 5
        self.busy(limit, 6, now=131.0)
        assert limit.limit == 6

    def test_it_never_falls_below_one(self):
        """However often the server refuses."""
        limit = AdaptiveLimit(32)
        for second in range(50):
            limit.pushed_back(float(second))
        assert limit.limit == 1

    def test_a_slower_server_stops_the_growth(self):
        """Answers that take more than twice as long as at best say that the server queues."""
        limit = AdaptiveLimit(1000)
        self.busy(limit, 4, latency_s=0.1)
        self.busy(limit, 20, latency_s=0.5)
        reached = limit.limit
        self.busy(limit, 20, latency_s=0.5)
        assert limit.limit == reached < 30

    def test_answers_that_take_twice_as_long_make_it_give_way(self):
        """A tenth less each round trip, not below 8: some of the waiting may be our own."""
        limit = AdaptiveLimit(1000)
        self.busy(limit, 24, latency_s=0.1)
        assert limit.limit == 32
        for second in range(4):
            self.busy(limit, 10, latency_s=0.5, now=float(second))
        assert 20 < limit.limit < 32

    def test_a_server_that_became_slower_for_good_is_accepted(self):
        """Half as many requests and answers as slow as before: it was not the crowd, so the growth goes on."""
        limit = AdaptiveLimit(1000)
        self.busy(limit, 24, latency_s=0.1)
        reached = []
        for second in range(30):
            self.busy(limit, 40, latency_s=0.5, now=float(second))
            reached.append(limit.limit)
        assert min(reached) == 16
        assert reached[-1] > 30

    def test_a_few_answers_out_of_a_cache_do_not_make_the_others_slow(self):
        """One in twenty comes at once; the limit stays where it got."""
        limit = AdaptiveLimit(40)
        for second in range(50):
            self.busy(limit, 1, latency_s=0.001, now=float(second))
            self.busy(limit, 19, latency_s=0.1, now=float(second))
        assert limit.limit == 40

    def test_large_pages_bound_it(self):
        """4 MiB a page: 8 of them are all that may be in flight, whatever the cap."""
        limit = AdaptiveLimit(1000)
        for _ in range(100):
            limit.answered(0.05, 0.0, used=True, size=4 * 1024 * 1024)
        assert limit.limit == 8

    def test_after_a_refusal_it_comes_back_quickly_and_stops_below(self):
        """Refused at 41: at once to three quarters of it, then one more in ten round trips up to 40, and no further."""
        limit = AdaptiveLimit(1000)
        self.busy(limit, 33)
        assert limit.limit == 41
        limit.pushed_back(100.0)
        assert limit.limit == 28
        self.busy(limit, 10, now=101.0)
        assert limit.limit == 31
        self.busy(limit, 310, now=102.0)
        assert limit.limit == 32
        self.busy(limit, 4000, now=103.0)
        assert limit.limit == 40

    def test_a_fixed_limit_stands_still(self):
        """`--concurrency 3` means 3, whatever happens."""
        limit = AdaptiveLimit(32, fixed=3)
        self.busy(limit, 50)
        limit.pushed_back(100.0)
        assert limit.limit == 3


async def test_a_slow_writer_does_not_make_the_limit_grow(make):
    """All permits are out, and only one request is at the server."""
    limiter = make()
    for _ in range(8):
        await limiter.permit().__aenter__()

    for _ in range(50):
        async with limiter.sending():
            await limiter.turn()
            limiter.answered(0.05)

    assert limiter.limit == 8


async def test_answers_that_come_in_a_crowd_all_count(make, clock):
    """Eight went out together and come back together: each makes room for one more, so the limit doubles."""
    limiter = make()
    for _ in range(8):
        await limiter.sending().__aenter__()
        await limiter.turn()
    await clock.sleep(0.05)

    for _ in range(8):
        limiter.answered(0.05)
        await limiter.sending().__aexit__(None, None, None)

    assert limiter.limit == 16


async def test_growth_lets_those_who_wait_in(make):
    """A permit more is a page more at once."""
    limiter = make()
    for _ in range(8):
        await limiter.permit().__aenter__()
        await limiter.sending().__aenter__()
        await limiter.turn()
    waiting = asyncio.create_task(limiter.permit().__aenter__())
    await settle()

    limiter.answered(0.05)
    await settle()

    assert waiting.done()
    assert (limiter.limit, limiter.in_flight) == (9, 9)


class TestRememberedRefusals:
    """A server that takes one request at a time was asked for two after every answer, and paused us a second each."""

    def test_a_limit_that_was_refused_is_left_alone_for_half_a_minute(self):
        """8 were too many at 100 s: 7 are reached again and kept; after 130 s it may be more."""
        limit = AdaptiveLimit(32)
        limit.pushed_back(100.0)
        for _ in range(200):
            limit.answered(0.05, 130.0, used=True)
        assert limit.limit == 7

        for _ in range(200):
            limit.answered(0.05, 130.1, used=True)
        assert limit.limit > 8

    def test_a_server_that_takes_one_at_a_time_is_asked_one_at_a_time(self):
        """Refused at 1 as well, it still gets the one that it must be asked."""
        limit = AdaptiveLimit(32)
        for second in range(100, 110):
            limit.pushed_back(float(second))
        for _ in range(100):
            limit.answered(0.05, 120.0, used=True)
        assert limit.limit == 1


async def test_after_a_cut_the_pages_on_their_way_do_not_come_back_all_at_once(make, clock):
    """Eight permits are out and the limit falls to 5: the tries after it are at most 5 at a time, in order."""
    limiter, at_once, order = make(), [], []
    for _ in range(8):
        await limiter.permit().__aenter__()
    limiter.pushed_back()

    async def again(number):
        async with limiter.sending():
            order.append(number)
            at_once.append(limiter._sends.taken)
            await settle()

    await asyncio.gather(*(again(number) for number in range(8)))

    assert limiter.limit == 5
    assert max(at_once) == 5
    assert order == list(range(8))


async def test_requests_that_wait_for_the_declared_rate_do_not_make_the_limit_grow(make, clock):
    """One is at the server; the other seven that hold a place there wait for their turn."""
    limiter, gate = make(rate=1.0), asyncio.Event()

    async def held(_seconds):
        await gate.wait()
        clock.advance(1.0)

    clock.sleep = held
    answered = asyncio.Event()

    async def one():
        async with limiter.sending():
            await limiter.turn()
            await answered.wait()

    tasks = [asyncio.create_task(one()) for _ in range(8)]
    await settle()

    limiter.answered(0.05)
    assert limiter.limit == 8

    gate.set()
    answered.set()
    await asyncio.gather(*tasks)


async def test_a_quota_is_not_overdrawn_by_what_is_on_its_way(make, clock):
    """Answer 3 says that 5 are left, and 8 went out: the 5 may be those that went out after it."""
    limiter = make()
    for _ in range(8):
        limiter.count()

    limiter.quota(6, 30.0, 3)
    await limiter.turn()
    assert clock.slept == []

    limiter.quota(5, 30.0, 3)
    await limiter.turn()
    assert clock.slept == [30.0]


async def test_a_source_that_refuses_even_a_single_request_is_asked_at_its_pace(make, clock, events):
    """Ten answers in two seconds and a pause of three: two a second, and a little less. The log tells the line."""
    limiter = make()
    for _ in range(10):
        await limiter.turn()
        limiter.answered(0.1)
        await clock.sleep(0.2)
    limiter.rate_limited(3.0, alone=True)
    limiter.pause(3.0, "answered 429")
    began = clock.monotonic()

    for _ in range(3):
        await limiter.turn()

    assert clock.monotonic() - began == pytest.approx(4.05)
    assert events[0] == Warned(
        stream="",
        message="api: more than about 1.9/s is refused; asked at that pace from now on "
        "(limits: {rate: 1.9/s} would say so)",
    )


async def test_a_declared_rate_that_is_lower_than_the_pace_stays(make, clock):
    """The pace only ever slows down."""
    limiter = make(rate=1.0)
    for _ in range(10):
        await limiter.turn()
        limiter.answered(0.1)
    limiter.rate_limited(0.1, alone=True)
    began = clock.monotonic()

    for _ in range(3):
        await limiter.turn()

    assert clock.monotonic() - began == pytest.approx(3.0, abs=0.01)
