"""Seeded worlds: a list that changes between the very requests that read it, and what the verdict may claim of it.

The oracle is promise G1: when the verdict is `verified`, every row that existed during the whole reading was
delivered. One seed is one execution; the seeds that once failed are kept among those that run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

import pytest

from etl.extract.pagination import strategy
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.pipeline import Parts, sync_stream
from etl.pipeline.budget import Budget
from etl.pipeline.fanout import Rooms
from etl.verify import prove

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIZE = 10
Mutate = Callable[["World"], None]


@dataclass
class World:
    """A list of ids in ascending order, and the ids that have existed since the reading began."""

    rng: random.Random
    rows: list[int]
    persistent: set[int]
    next_id: int

    @classmethod
    def of(cls, seed: int, rows: int = 200) -> World:
        # Even ids leave room for inserts in the middle of the order.
        ids = list(range(0, 2 * rows, 2))
        return cls(random.Random(seed), ids, set(ids), 2 * rows)

    def append(self) -> None:
        self.rows.append(self.next_id)
        self.next_id += 2

    def insert(self) -> None:
        fresh = 2 * self.rng.randrange(self.next_id // 2) + 1
        if fresh not in self.rows:
            self.rows.append(fresh)
            self.rows.sort()

    def delete(self) -> None:
        if self.rows:
            gone = self.rng.choice(self.rows)
            self.rows.remove(gone)
            self.persistent.discard(gone)

    def blip(self) -> None:
        """A row that comes and goes: totals agree, ranks moved meanwhile."""
        self.rng.choice((self.insert, self.delete))()


MUTATIONS: dict[str, Mutate] = {
    "quiet": lambda world: None,
    "tail-inserts": World.append,
    "deletes": World.delete,
    "deletes-and-tail-inserts": lambda world: world.rng.choice((world.append, world.delete))(),
    "inserts-anywhere": World.insert,
    "deletes-and-inserts-anywhere": World.blip,
}


class SimulatedSource:
    """Answers at an instant of its own: concurrent requests are served in any order, with changes in between."""

    def __init__(self, world: World, mutate: Mutate, share: float) -> None:
        self.world, self.mutate, self.share = world, mutate, share
        self.delivered: set[int] = set()
        self.requests = 0

    async def fetch(self, request: PageRequest) -> Page:
        self.requests += 1
        for _ in range(self.world.rng.randrange(1, 12)):
            await asyncio.sleep(0)
        if self.world.rng.random() < self.share:
            self.mutate(self.world)
        start = request.offset if request.offset is not None else (request.page or 0) * SIZE
        rows = self.world.rows[start : start + SIZE]
        self.delivered |= set(rows)
        return page_of(request, rows, len(self.world.rows), self.requests)


def page_of(request: PageRequest, rows: list[int], total: int, seq: int) -> Page:
    digests = b"".join(blake2b(str(row).encode(), digest_size=8).digest() for row in rows)
    return Page(
        request=request,
        response=Response(status=200, headers={}, body=b"", url="", started_at=NOON, seq=seq),
        facts=PageFacts(
            count=len(rows),
            first_key=str(rows[0]) if rows else None,
            last_key=str(rows[-1]) if rows else None,
            key_digests=digests,
            digest=blake2b(digests, digest_size=8).digest(),
            total_rows=total,
        ),
        block=RowBlock(
            version=1,
            rows=[(row,) for row in rows],
            keys=[(row,) for row in rows],
            hashes=[b""] * len(rows),
            cursors=[None] * len(rows),
        ),
    )


class SimulatedStore:
    """Writer, ledger, limiter, lease and stop in one: what the database and the process do is not the question."""

    token, signal, requested, in_flight, limit = 1, None, False, 0, 6

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self._finished = asyncio.Event()

    async def put(self, page: Page) -> None:
        digests = page.facts.key_digests
        self.keys |= {digests[at : at + 8] for at in range(0, len(digests), 8)}

    async def run(self) -> None:
        await self._finished.wait()

    async def settle(self) -> None: ...

    def idle(self) -> None: ...

    def finish(self) -> None:
        self._finished.set()

    def recall(self, request: PageRequest) -> PageFacts | None:
        return None

    async def distinct_keys(self, window: Window) -> int:
        return len(self.keys)

    async def gave_up(self, request: PageRequest, failure: Exception) -> None: ...

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        yield

    async def keep(self) -> None:
        await asyncio.Event().wait()

    async def wait(self) -> None:
        await asyncio.Event().wait()


def stream(kind: PagesKind, order: Order | None) -> Stream:
    return Stream(
        source="world",
        name="rows",
        table="world_rows",
        request=RequestTemplate(path=Template.parse("/rows")),
        records=Records(path=Selector(SelectorKind.BODY, "rows")),
        pages=Paging(kind=kind, first=0, size=SIZE, total_rows=Selector(SelectorKind.BODY, "total")),
        key=(("id",),),
        order=order,
    )


COVERED = stream(PagesKind.OFFSET, Order(by=(("id",),), immutable=True, unique=True))
BRACKETED = stream(PagesKind.NUMBER, Order(by=(("id",),), append_only=True))
UNDECLARED = stream(PagesKind.NUMBER, None)


async def read(target: Stream, world: World, mutate: Mutate, share: float) -> tuple[Judgement, SimulatedSource]:
    source, store = SimulatedSource(world, mutate, share), SimulatedStore()
    rooms = Rooms(
        stream=target.id,
        source=source,
        pages=strategy(target),
        limiter=store,
        writer=store,
        ledger=store,
        prove=lambda: prove(target),
        listener=lambda event: None,
    )
    parts = Parts(rooms=rooms, lease=store, stop=store, budget=Budget())
    reading = await asyncio.wait_for(sync_stream(parts, (Window(),)), 30)
    assert reading.failure is None, reading.failure
    assert reading.judgement is not None
    return reading.judgement, source


def lost(source: SimulatedSource) -> set[int]:
    return source.world.persistent - source.delivered


def simulate(target: Stream, mutate: Mutate, share: float, seed: int) -> tuple[Judgement, SimulatedSource]:
    return asyncio.run(read(target, World.of(seed), mutate, share))


WORLDS = [
    pytest.param(target, mutation, id=f"{name}-{mutation}")
    for name, target in (("coverage", COVERED), ("bracket", BRACKETED), ("checks", UNDECLARED))
    for mutation in MUTATIONS
    # An append-only order has no inserts in its middle; declaring one there would be a lie.
    if name != "bracket" or "anywhere" not in mutation
]


@pytest.mark.parametrize(("target", "mutation"), WORLDS)
def test_no_reading_claims_verified_with_a_persistent_row_missing(target: Stream, mutation: str) -> None:
    """Whatever is declared rightly, and whatever changes: no false claim in any seed."""
    for seed in range(60):
        judgement, source = simulate(target, MUTATIONS[mutation], 0.3, seed)
        if judgement.verdict is Verdict.VERIFIED:
            assert not lost(source), (seed, judgement, sorted(lost(source)))


@pytest.mark.parametrize(
    ("target", "mutation"),
    [
        pytest.param(COVERED, "deletes-and-inserts-anywhere", id="coverage"),
        pytest.param(BRACKETED, "deletes-and-tail-inserts", id="bracket"),
    ],
)
def test_a_declared_order_reaches_verified_in_nearly_every_run(target: Stream, mutation: str) -> None:
    """Under realistic churn (a change in every fifty requests) at least 95 of 100 readings are proved."""
    verdicts = [simulate(target, MUTATIONS[mutation], 0.02, seed)[0].verdict for seed in range(100)]

    assert verdicts.count(Verdict.VERIFIED) >= 95


@pytest.mark.parametrize(
    ("target", "most"),
    [pytest.param(COVERED, 23 + 1, id="coverage"), pytest.param(BRACKETED, 20 + 3, id="bracket")],
)
def test_a_proof_of_a_quiet_list_costs_a_handful_of_requests(target: Stream, most: int) -> None:
    """200 rows by tens: 20 plain requests; L / (L - 1) of them and the tail, or two looks and the first page again."""
    judgement, source = simulate(target, MUTATIONS["quiet"], 0.0, 1)

    assert judgement.verdict is Verdict.VERIFIED
    assert source.requests <= most


def test_the_cheap_checks_lose_rows_where_a_proof_does_not_and_never_call_it_verified() -> None:
    """The test of the test: without an order, the same churn really does lose rows."""
    outcomes = [simulate(UNDECLARED, MUTATIONS["deletes-and-inserts-anywhere"], 0.3, seed) for seed in range(60)]

    assert any(lost(source) for _, source in outcomes)
    assert all(judgement.verdict is not Verdict.VERIFIED for judgement, _ in outcomes)


def test_a_broken_order_takes_the_proof_away_and_says_so() -> None:
    """The declaration is checked on every page where it can be."""

    class Unsorted(SimulatedSource):
        async def fetch(self, request: PageRequest) -> Page:
            page = await super().fetch(request)
            return replace(page, facts=replace(page.facts, order_broken="3 came after 5"))

    async def attempt() -> Judgement:
        world, store = World.of(1), SimulatedStore()
        rooms = Rooms(
            stream="world.rows",
            source=Unsorted(world, MUTATIONS["quiet"], 0.0),
            pages=strategy(COVERED),
            limiter=store,
            writer=store,
            ledger=store,
            prove=lambda: prove(COVERED),
            listener=lambda event: None,
        )
        reading = await sync_stream(Parts(rooms=rooms, lease=store, stop=store, budget=Budget()), (Window(),))
        judgement = reading.judgement
        assert judgement is not None
        return judgement

    judgement = asyncio.run(attempt())

    assert judgement.verdict is Verdict.CONSISTENT
    assert judgement.reason.endswith("the declared order does not hold: 3 came after 5 on offset:0")
