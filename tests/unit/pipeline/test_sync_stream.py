"""The backbone over fakes: no HTTP, no SQL, and no kind of pagination it would know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.errors import AuthRefused, DatabaseRefused, GaveUp, LeaseLost, RequestRefused, StreamStopped
from etl.model.page import Page, PageFacts, PageRequest, Purpose, Response, RowBlock
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.pipeline import Parts, Reading, sync_stream
from etl.pipeline.budget import Budget
from etl.pipeline.fanout import Rooms

FINE = Judgement(verdict=Verdict.CONSISTENT, reason="fine")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def request(window: Window, page: int) -> PageRequest:
    return PageRequest(window=window, position=f"page:{page}", ordinal=page, page=page)


class Numbered:
    """Page 0 names all the others at once, lazily."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.forgotten: list[Window] = []

    def first(self, window: Window) -> PageRequest:
        return request(window, 0)

    def following(self, asked: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        if asked.page == 0:
            return (request(asked.window, page) for page in range(1, self.pages))
        return ()

    def ended(self, window: Window) -> None:
        self.forgotten.append(window)


class Chained(Numbered):
    """Each page names the next one."""

    def following(self, asked: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        assert asked.page is not None
        return (request(asked.window, asked.page + 1),) if asked.page + 1 < self.pages else ()


class FakeSource:
    """Answers after a few turns of the loop; `failing` positions raise."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        self.failing = failing or {}
        self.asked: list[str] = []
        self.in_flight = self.peak = 0
        self.seq = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, asked: PageRequest) -> Page:
        self.seq += 1
        seq = self.seq
        self.asked.append(asked.position)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            await self.gate.wait()
            if asked.position in self.failing:
                raise self.failing[asked.position]
        finally:
            self.in_flight -= 1
        return page(asked, seq)


def page(asked: PageRequest, seq: int, rows: int = 2) -> Page:
    return Page(
        request=asked,
        response=Response(status=200, headers={}, body=b"{}", url="http://x", started_at=NOON, served_at=NOON, seq=seq),
        facts=PageFacts(count=rows, max_cursor=asked.page),
        block=RowBlock(
            version=1,
            rows=[(asked.page, n) for n in range(rows)],
            keys=[(n,) for n in range(rows)],
            hashes=[b"x"] * rows,
            cursors=[asked.page] * rows,
        ),
    )


class FakeLimiter:
    def __init__(self, limit: int = 4) -> None:
        self.limit = limit
        self.in_flight = 0

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1


class FakeWriter:
    """Commits when told to be idle or to settle; `fails` raises from `run`."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.buffered: list[Page] = []
        self.committed: list[Page] = []
        self.done = asyncio.Event()
        self.wake = asyncio.Event()

    async def put(self, brought: Page) -> None:
        self.buffered.append(brought)
        self.wake.set()

    async def run(self) -> None:
        while not self.done.is_set() or self.buffered:
            await self.wake.wait()
            self.wake.clear()
            if self.fails:
                raise self.fails
            self._commit()

    def _commit(self) -> None:
        self.committed += self.buffered
        self.buffered.clear()

    async def settle(self) -> None:
        self._commit()

    def idle(self) -> None:
        self.wake.set()

    def finish(self) -> None:
        self.done.set()
        self.wake.set()


class FakeLedger:
    def __init__(self, known: dict[str, PageFacts] | None = None) -> None:
        self.known = known or {}
        self.given_up: list[str] = []

    async def gave_up(self, asked: PageRequest, failure: StreamStopped) -> None:
        self.given_up.append(asked.position)

    def recall(self, asked: PageRequest) -> PageFacts | None:
        return self.known.get(asked.position) if asked.attempt == 0 else None

    async def distinct_keys(self, window: Window) -> int:
        return 7


class FakeProof:
    """Wants one probe, then one repair, when told so."""

    def __init__(self, *, probe: bool = False, repair: bool = False) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.judged_with: list[int | None] = []
        self._probe, self._repair = probe, repair

    def saw(self, asked: PageRequest, facts: PageFacts) -> None:
        self.seen.append((asked.position, asked.purpose, asked.attempt))

    def probes(self) -> Sequence[PageRequest]:
        wanted, self._probe = self._probe, False
        return [replace(request(Window(), 0), purpose=Purpose.PROBE, attempt=1)] if wanted else []

    counts_keys = True

    def judge(self, distinct_keys: int | None) -> Judgement:
        self.judged_with.append(distinct_keys)
        return FINE

    def repairs(self) -> Sequence[PageRequest]:
        wanted, self._repair = self._repair, False
        return [replace(request(Window(), 0), purpose=Purpose.REPAIR, attempt=2)] if wanted else []


class FakeLease:
    token = 1

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails

    async def keep(self) -> None:
        if self.fails:
            raise self.fails
        await asyncio.Event().wait()


class FakeStop:
    signal = 15

    def __init__(self) -> None:
        self.event = asyncio.Event()

    @property
    def requested(self) -> bool:
        return self.event.is_set()

    async def wait(self) -> None:
        await self.event.wait()


class World:
    """Everything a reading needs, each part replaceable."""

    def __init__(self, pages: Numbered, **parts: object) -> None:
        self.source = parts.get("source") or FakeSource()
        self.writer = parts.get("writer") or FakeWriter()
        self.limiter = parts.get("limiter") or FakeLimiter()
        self.proof = parts.get("proof") or FakeProof()
        self.stop = FakeStop()
        self.events: list[object] = []
        self.parts = Parts(
            rooms=Rooms(
                stream="shop.items",
                source=self.source,
                pages=pages,
                limiter=self.limiter,
                writer=self.writer,
                ledger=parts.get("ledger") or FakeLedger(),
                prove=lambda window: self.proof,
                listener=self.events.append,
            ),
            lease=parts.get("lease") or FakeLease(),
            stop=self.stop,
            budget=parts.get("budget") or Budget(),
            grace_s=0.01,
        )

    async def read(self, *windows: Window) -> Reading:
        return await asyncio.wait_for(sync_stream(self.parts, windows or (Window(),)), 5)


async def test_all_pages_of_a_numbered_list_are_committed_and_the_window_is_judged() -> None:
    """The judgement sees the number of distinct keys, counted after everything was committed."""
    world = World(Numbered(10))

    reading = await world.read()

    assert sorted(page.request.page for page in world.writer.committed) == list(range(10))
    assert (reading.windows, reading.judgement) == (1, FINE)
    assert world.proof.judged_with == [7]


async def test_pages_in_flight_never_exceed_the_limit_and_reach_it() -> None:
    """A list of 50 pages under a limit of 4 keeps exactly 4 requests in flight."""
    world = World(Numbered(50))

    await world.read()

    assert world.source.peak == 4


async def test_a_chain_is_read_one_page_after_the_other() -> None:
    """Concurrency appears only where the pages permit it."""
    world = World(Chained(5))

    await world.read()

    assert world.source.peak == 1
    assert world.source.asked == ["page:0", "page:1", "page:2", "page:3", "page:4"]


async def test_chains_of_several_windows_run_side_by_side() -> None:
    """What cannot be concurrent inside a window is concurrent across windows."""
    world = World(Chained(3))

    reading = await world.read(*(Window(start=n, end=n + 1) for n in range(4)))

    assert world.source.peak == 4
    assert reading.members[""].read == [(0, 4, Verdict.CONSISTENT)]


async def test_a_resumed_reading_asks_only_for_pages_the_ledger_does_not_know() -> None:
    """Committed pages name their successors from the ledger."""
    known = {f"page:{n}": PageFacts(count=2) for n in range(4)}
    world = World(Numbered(6), ledger=FakeLedger(known))

    await world.read()

    assert sorted(world.source.asked) == ["page:4", "page:5"]


async def test_probes_and_repairs_run_before_a_window_ends_and_keep_their_attempt() -> None:
    """A repair's successors belong to the same pass."""
    world = World(Numbered(2), proof=FakeProof(probe=True, repair=True))

    await world.read()

    assert world.proof.seen == [
        ("page:0", "read", 0),
        ("page:1", "read", 0),
        ("page:0", "probe", 1),
        ("page:0", "repair", 2),
        ("page:1", "repair", 2),
    ]


async def test_a_failed_page_fails_its_window_and_leaves_the_others_alone() -> None:
    """What was answered is committed; the failure is kept, not raised."""

    class FailingInOne(FakeSource):
        async def fetch(self, asked: PageRequest) -> Page:
            if asked.window.start == 1 and asked.page == 1:
                raise GaveUp("page 1 gave up")
            return await super().fetch(asked)

    world = World(Chained(3), source=FailingInOne())

    reading = await world.read(Window(start=0, end=1), Window(start=1, end=2))

    assert (reading.windows, reading.failed, str(reading.failure)) == (2, 1, "page 1 gave up")
    assert (reading.members[""].read, reading.members[""].gap) == ([(0, 1, Verdict.CONSISTENT)], 1)
    assert len(world.writer.committed) == 4


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        pytest.param({"source": FakeSource({"page:0": AuthRefused("401")})}, AuthRefused, id="auth"),
        pytest.param({"writer": FakeWriter(DatabaseRefused("disk full"))}, DatabaseRefused, id="database"),
        pytest.param({"lease": FakeLease(LeaseLost("fenced"))}, LeaseLost, id="lease"),
    ],
)
async def test_errors_that_end_the_stream_are_raised_alone(parts: dict[str, object], error: type[Exception]) -> None:
    """Never a group, and never the cancellations the first error caused."""
    with pytest.raises(error):
        await World(Numbered(20), **parts).read()


async def test_a_stop_lets_pages_in_flight_arrive_and_commits_them() -> None:
    """Nothing new is asked for; the reading says that it was stopped."""
    world = World(Numbered(100))
    world.source.gate.clear()

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(world.read())
        while not world.source.in_flight:
            await asyncio.sleep(0)
        world.stop.event.set()
        await asyncio.sleep(0)
        world.source.gate.set()

    assert reading.result().stopped
    assert [page.request.page for page in world.writer.committed] == [0]


async def test_a_stop_drops_requests_that_do_not_answer_within_the_grace() -> None:
    """A server that hangs cannot keep the process alive."""
    world = World(Numbered(100))
    world.source.gate.clear()
    world.stop.event.set()

    reading = await world.read()

    assert reading.stopped
    assert world.writer.committed == []


async def test_max_pages_of_a_run_cuts_the_reading_without_a_judgement() -> None:
    """A run that was asked to be partial claims nothing."""
    world = World(Numbered(10), budget=Budget(pages=3))

    reading = await world.read()

    assert (len(world.source.asked), reading.partial) == (3, True)
    assert reading.judgement is None


async def test_a_limit_of_rows_keeps_exactly_that_many() -> None:
    """The last page is cut; pages of two rows and a limit of three leave three rows."""
    world = World(Chained(10), budget=Budget(rows=3))

    reading = await world.read()

    assert sum(len(page.block.rows) for page in world.writer.committed) == 3
    assert reading.partial


async def test_tasks_do_not_grow_with_the_number_of_pages() -> None:
    """Ten thousand named pages are never ten thousand tasks."""
    most = 0

    class Counting(FakeLedger):
        def recall(self, asked: PageRequest) -> PageFacts | None:
            nonlocal most
            most = max(most, len(asyncio.all_tasks()))
            return None

    await World(Numbered(2_000), ledger=Counting()).read()

    assert most < 15


async def test_a_window_that_the_api_caps_is_read_in_halves_until_they_fit() -> None:
    """Eight units under a cap that fits two: four windows, none of them capped, and the whole interval read."""

    class Capped(FakeProof):
        def __init__(self, window: Window | None = None) -> None:
            super().__init__()
            self.window = window

        def saw(self, asked: PageRequest, facts: PageFacts) -> None:
            self.window = asked.window

        def judge(self, distinct_keys: int | None) -> Judgement:
            assert self.window is not None
            too_wide = int(self.window.end or 0) - int(self.window.start or 0) > 2
            return replace(FINE, verdict=Verdict.INCOMPLETE, capped=True) if too_wide else FINE

    def halve(window: Window) -> tuple[Window, ...]:
        middle = (int(window.start or 0) + int(window.end or 0)) // 2
        return replace(window, end=middle), replace(window, start=middle)

    world = World(Chained(1))
    parts = replace(world.parts, rooms=replace(world.parts.rooms, prove=Capped, halve=halve))

    reading = await sync_stream(parts, (Window(start=0, end=8),))

    assert (reading.windows, reading.judgement) == (4, FINE)
    assert reading.members[""].read == [(0, 8, Verdict.CONSISTENT)]


async def test_a_stop_that_comes_when_everything_is_judged_cuts_nothing() -> None:
    """The run is as complete as without the signal, and says so."""

    class StoppedByTheJudgement(FakeProof):
        def judge(self, distinct_keys: int | None) -> Judgement:
            world.stop.event.set()
            return super().judge(distinct_keys)

    world = World(Numbered(3), proof=StoppedByTheJudgement())

    reading = await world.read()

    assert (reading.stopped, reading.judgement) == (False, FINE)


async def test_windows_that_are_still_to_come_are_waited_for_beside_pages_in_flight() -> None:
    """A child of a stream that is being read begins with what is there."""

    class Arriving:
        ended = False

        def __init__(self) -> None:
            self.ready: list[Window] = [Window(member="a")]
            self.waits = 0

        def take(self) -> Window | None:
            return self.ready.pop() if self.ready else None

        async def more(self) -> None:
            self.waits += 1
            await asyncio.sleep(0)
            if self.waits == 1:
                self.ready.append(Window(member="b"))
            else:
                self.ended = True

    world = World(Chained(2))

    reading = await asyncio.wait_for(sync_stream(world.parts, Arriving()), 5)

    assert sorted(reading.members) == ["a", "b"]
    assert (reading.stopped, len(world.writer.committed)) == (False, 4)


async def test_a_stop_does_not_wait_for_windows_that_are_still_to_come() -> None:
    """And the reading is cut: nobody knows what would have come."""

    class Never:
        ended = False

        def take(self) -> Window | None:
            return None

        async def more(self) -> None:
            world.stop.event.set()
            await asyncio.Event().wait()

    world = World(Chained(2))

    reading = await asyncio.wait_for(sync_stream(world.parts, Never()), 5)

    assert (reading.stopped, reading.windows) == (True, 0)


async def test_a_member_that_is_gone_is_neither_judged_nor_failed() -> None:
    """Its first page was not found, and the row it came from says that it was there."""

    class Gone(FakeSource):
        async def fetch(self, asked: PageRequest) -> Page:
            found = await super().fetch(asked)
            return replace(found, facts=PageFacts(count=0, refused=404)) if asked.window.member == "b" else found

    world = World(Chained(2), source=Gone())

    reading = await world.read(*(Window(member=name, may_be_gone=True) for name in "abc"))

    assert (reading.windows, reading.judged, reading.gone, reading.failed) == (3, 2, 1, 0)


@pytest.mark.parametrize(("status", "asked"), [(403, 3), (401, 1)])
async def test_a_member_may_be_closed_to_us_and_the_others_open(status: int, asked: int) -> None:
    """A 403 is the member's failure; a 401 is about who we are, and ends the stream."""

    class Closed(FakeSource):
        async def fetch(self, asked: PageRequest) -> Page:
            if asked.window.member == "a":
                self.asked.append(asked.position)
                refused = AuthRefused("no")
                refused.status = status
                raise refused
            return await super().fetch(asked)

    world = World(Chained(1), source=Closed(), limiter=FakeLimiter(1))
    windows = [Window(member=name) for name in "abc"]

    if status == 401:
        with pytest.raises(AuthRefused):
            await world.read(*windows)
    else:
        reading = await world.read(*windows)
        assert (reading.failed, reading.failed_member) == (1, "a")
    assert len(world.source.asked) == asked


async def test_many_closed_members_and_no_page_are_a_wrong_key() -> None:
    """Ten thousand requests with a key that may do nothing help nobody."""

    class Closed(FakeSource):
        async def fetch(self, asked: PageRequest) -> Page:
            self.asked.append(asked.position)
            refused = AuthRefused("no")
            refused.status = 403
            raise refused

    world = World(Chained(1), source=Closed(), limiter=FakeLimiter(1))

    with pytest.raises(AuthRefused):
        await world.read(*(Window(member=str(n)) for n in range(1_000)))

    assert len(world.source.asked) == 10


async def test_what_a_strategy_remembers_of_a_window_goes_when_it_ends() -> None:
    """Memory does not grow with the number of members."""
    world = World(pages := Chained(2))

    await world.read(Window(member="a"), Window(member="b"))

    assert sorted(window.member for window in pages.forgotten) == ["a", "b"]


class Cursors(Chained):
    """A chain whose pages are asked for by cursor."""

    def following(self, asked: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        return tuple(
            replace(
                named,
                ordinal=asked.ordinal + 1,
                page=None,
                cursor=f"c{asked.ordinal + 1}",
                position=f"c{asked.ordinal + 1}",
            )
            for named in ([request(asked.window, 0)] if asked.ordinal + 1 < self.pages else [])
        )


class Expiring(FakeSource):
    """The cursor of the third page has expired the first `times` it is asked for."""

    def __init__(self, times: int, status: int = 410) -> None:
        super().__init__()
        self.times, self.status = times, status

    async def fetch(self, asked: PageRequest) -> Page:
        if asked.position == "c2" and self.times:
            self.times -= 1
            self.asked.append(asked.position)
            raise RequestRefused("c2 answered", status=self.status)
        brought = await super().fetch(replace(asked, page=asked.page or 0))
        return replace(brought, request=asked)


async def test_an_expired_cursor_restarts_its_window_and_not_the_run() -> None:
    """410 in the middle of a chain: the same window from its first page, as another pass."""
    world = World(Cursors(4), source=Expiring(1))

    reading = await world.read()

    assert world.source.asked == ["page:0", "c1", "c2", "page:0", "c1", "c2", "c3"]
    assert [attempt for _, _, attempt in world.proof.seen] == [0, 0, 2, 2, 2, 2]
    assert (reading.judgement, reading.failure) == (FINE, None)


async def test_a_cursor_that_expires_again_and_again_fails_its_window() -> None:
    """Twice is patience, more would be a circle."""
    world = World(Cursors(4), source=Expiring(9))

    reading = await world.read()

    assert world.source.asked.count("c2") == 3
    assert str(reading.failure) == "c2 answered"


@pytest.mark.parametrize(("known", "tries"), [({}, 1), ({"page:0": PageFacts(count=2), "c1": PageFacts(count=2)}, 2)])
async def test_a_refused_cursor_has_expired_only_when_an_earlier_run_got_it(
    known: dict[str, PageFacts], tries: int
) -> None:
    """400 for a fresh cursor has another reason; for one out of the ledger hours may have passed."""
    world = World(Cursors(4), source=Expiring(9, status=400), ledger=FakeLedger(known))

    reading = await world.read()

    assert world.source.asked.count("c2") == tries
    assert reading.failure is not None


def halves(window: Window) -> tuple[Window, ...]:
    low, high = int(window.start or 0), int(window.end or 0)
    middle = (low + high) // 2
    return (replace(window, end=middle), replace(window, start=middle)) if low < middle < high else ()


class Shallow(FakeSource):
    """Lists no more than the first 1,000 rows of a window; each unit of a window has 500 rows, 100 a page."""

    async def fetch(self, asked: PageRequest) -> Page:
        assert asked.page is not None
        if asked.page >= 10:
            raise RequestRefused("too deep", status=400)
        return await super().fetch(asked)


class Wide(Numbered):
    """As many pages as the window has rows for."""

    def first(self, window: Window) -> PageRequest:
        return replace(request(window, 0), stride=100)

    def following(self, asked: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        pages = 5 * (int(asked.window.end or 0) - int(asked.window.start or 0))
        named = (replace(request(asked.window, page), stride=100) for page in range(1, pages))
        return named if asked.page == 0 else ()


async def test_a_window_that_is_too_deep_for_the_api_is_read_in_halves() -> None:
    """400 beyond the first 1,000 rows: eight units become four windows of two."""
    world = World(Wide(0), source=Shallow())
    parts = replace(world.parts, rooms=replace(world.parts.rooms, halve=halves))

    reading = await sync_stream(parts, (Window(start=0, end=8),))

    assert (reading.windows, reading.failure, reading.judgement) == (4, None, FINE)


async def test_a_window_that_cannot_be_cut_any_more_keeps_its_failure() -> None:
    """One unit with more rows than the API lists."""
    world = World(Wide(0), source=Shallow())
    parts = replace(world.parts, rooms=replace(world.parts.rooms, halve=lambda window: ()))

    reading = await sync_stream(parts, (Window(start=0, end=8),))

    assert str(reading.failure) == "too deep"


async def test_windows_of_an_api_that_ignores_their_bounds_are_not_cut_for_ever() -> None:
    """Each half would hold all rows again: two to the power of the halvings. The hint says what was seen."""

    class Ignoring(FakeSource):
        async def fetch(self, asked: PageRequest) -> Page:
            brought = await super().fetch(asked)
            width = int(asked.window.end or 0) - int(asked.window.start or 0)
            outside = 0 if width > 500_000 else 2
            return replace(brought, facts=replace(brought.facts, outside_rows=outside))

    class Capped(FakeProof):
        def judge(self, distinct_keys: int | None) -> Judgement:
            return replace(FINE, verdict=Verdict.INCOMPLETE, capped=True)

    world = World(Chained(1), source=Ignoring())
    parts = replace(world.parts, rooms=replace(world.parts.rooms, prove=lambda window: Capped(), halve=halves))

    reading = await sync_stream(parts, (Window(start=0, end=1_000_000),))

    assert len(world.source.asked) == 3
    assert reading.judgement is not None
    assert reading.judgement.hint.startswith("2 of 2 rows came from outside the window")


async def test_a_capped_window_of_one_unit_says_what_is_left_to_do() -> None:
    """Incomplete, and no advice to cut what cannot be cut."""

    class Capped(FakeProof):
        def judge(self, distinct_keys: int | None) -> Judgement:
            return replace(FINE, verdict=Verdict.INCOMPLETE, capped=True, hint="cut it")

    world = World(Chained(1))
    parts = replace(world.parts, rooms=replace(world.parts.rooms, prove=lambda window: Capped(), halve=halves))

    reading = await sync_stream(parts, (Window(start=0, end=2),))

    assert reading.judgement is not None
    assert reading.judgement.hint.startswith("so many rows share one unit of incremental.format")
