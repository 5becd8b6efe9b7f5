"""What `etl check` makes of the answers, over sources that a test makes up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.errors import AuthRefused, DatabaseRefused, EtlError, GaveUp, RequestRefused, SourceFailed, SourceUnavailable
from etl.model.events import QuotaSeen
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.source import Source
from etl.model.stream import Stream
from etl.model.window import Window
from etl.service.app import Scout
from etl.service.check import Notes, source_facts
from etl.service.facts import Fact, Grade, exit_code
from etl.settings import load

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
SHOP = """\
base_url: http://shop.invalid
limits: {retries: 5}
defaults: {path: "/{page}", pages: {number: 0}, key: id}
streams: {items: {}, orders: {}, notes: {}}
"""


class Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


@dataclass
class World:
    """What every stream answers: one page of one row, or an error."""

    served_at: datetime | None = NOW
    errors: dict[str, EtlError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    opened: list[Source] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    @asynccontextmanager
    async def open_source(self, source: Source, *, concurrency: int | None = None) -> AsyncIterator[Any]:
        self.opened.append(source)
        yield None

    def sample(self, opened: Any, stream: Stream, schema: Any = None) -> Any:
        return Sampler(self, stream)

    async def facts(self, folder: Path) -> list[Fact]:
        (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
        settings = load(folder, environ={})
        scout = Scout(settings=settings, clock=Clock(), open_source=self.open_source, sample=self.sample)
        return [fact async for fact in source_facts(scout, settings.streams, self.notes)]


class Sampler:
    """Its own strategy: one page and no more."""

    def __init__(self, world: World, stream: Stream) -> None:
        self._world, self._stream = world, stream
        self.pages = self

    def first(self, window: Window) -> PageRequest:
        return PageRequest(window=window, position="page:0", page=0)

    def following(self, request: PageRequest, facts: PageFacts) -> tuple[PageRequest, ...]:
        return ()

    def again(self, page: Page) -> Page:
        return page

    async def fetch(self, request: PageRequest) -> Page:
        self._world.asked.append(self._stream.name)
        if self._stream.name in self._world.errors:
            raise self._world.errors[self._stream.name]
        return Page(
            request=request,
            response=Response(
                status=200, headers={}, body=b"", url="", started_at=NOW, seconds=0.2, served_at=self._world.served_at
            ),
            facts=PageFacts(count=1, key_digests=b"12345678"),
            block=RowBlock(version=1, rows=[(1,)], keys=[(1,)], hashes=[], cursors=[None]),
        )


async def test_the_first_answer_of_a_source_tells_status_latency_and_quota(tmp_path: Path) -> None:
    """Once a source, and not once a stream."""
    world = World()
    world.notes(QuotaSeen(source="shop", remaining=4990, limit=5000, reset_at=None))

    access = [fact for fact in await world.facts(tmp_path) if fact.about == "shop"]

    assert [(fact.grade, fact.text) for fact in access] == [
        (Grade.OK, "200 in 0.200 s, quota 4,990 of 5,000, clock skew 0.0 s")
    ]


@pytest.mark.parametrize(
    ("served_at", "grade", "text"),
    [
        pytest.param(NOW + timedelta(seconds=90), Grade.WARNING, "clock skew 90.4 s", id="ahead"),
        pytest.param(NOW - timedelta(seconds=90), Grade.WARNING, "clock skew 89.6 s", id="behind"),
        pytest.param(NOW, Grade.OK, "clock skew 0.0 s", id="less than a Date can tell"),
        pytest.param(None, Grade.OK, "200 in 0.200 s", id="no Date"),
    ],
)
async def test_a_clock_that_is_off_is_a_warning(
    tmp_path: Path, served_at: datetime | None, grade: Grade, text: str
) -> None:
    """A `Date` has whole seconds, so half of one is added."""
    (access,) = [fact for fact in await World(served_at=served_at).facts(tmp_path) if fact.about == "shop"]

    assert access.grade is grade
    assert text in access.text


def gave_up(reason: str) -> GaveUp:
    """As the client raises it: from the error of the last try."""
    error = GaveUp("no answer")
    error.__cause__ = SourceUnavailable("no answer", reason=reason)
    return error


def refused(status: int) -> AuthRefused:
    error = AuthRefused(str(status))
    error.status = status
    return error


@pytest.mark.parametrize(
    "error", [gave_up("connect"), gave_up("timeout"), refused(401), SourceFailed("certificate")], ids=str
)
async def test_a_closed_door_is_knocked_at_once(tmp_path: Path, error: EtlError) -> None:
    """Each of a hundred streams would spend its deadline on the same dead server."""
    world = World(errors=dict.fromkeys(("items", "orders", "notes"), error))

    found = await world.facts(tmp_path)

    assert world.asked == ["items"]
    assert [(fact.grade, fact.about, fact.code) for fact in found] == [
        (Grade.PROBLEM, "shop.items", error.code),
        (Grade.WARNING, "shop", ""),
    ]
    assert found[1].text == "2 more streams not asked: the same would happen to them"


@pytest.mark.parametrize("error", [RequestRefused("404", status=404), refused(403), gave_up("500")], ids=str)
async def test_a_stream_that_is_refused_leaves_the_others_to_be_asked(tmp_path: Path, error: EtlError) -> None:
    """A path that is wrong, a scope that is missing, a list that breaks the server: they tell nothing of the others."""
    world = World(errors={"items": error})

    await world.facts(tmp_path)

    assert world.asked == ["items", "orders", "notes"]


def fact(grade: Grade, **more: Any) -> Fact:
    return Fact(grade=grade, about="x", text="y", **more)


ONLINE = fact(Grade.PROBLEM, online=True, code=GaveUp.code)
DATABASE = fact(Grade.PROBLEM, code=DatabaseRefused.code)


async def test_a_check_has_less_patience_than_a_run(tmp_path: Path) -> None:
    """Somebody waits for it: one extra try instead of five."""
    world = World()

    await world.facts(tmp_path)

    assert [source.limits.retries for source in world.opened] == [1]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        pytest.param([fact(Grade.OK), fact(Grade.WARNING, online=True)], 0, id="warnings"),
        pytest.param([ONLINE], 4, id="online"),
        pytest.param([ONLINE, DATABASE], 6, id="database"),
        pytest.param([ONLINE, DATABASE, fact(Grade.PROBLEM)], 2, id="configuration comes first"),
    ],
)
def test_the_exit_code_tells_where_the_problem_is(facts: list[Fact], code: int) -> None:
    """2 a person has to mend in the files, 6 in the database, 4 at the API: as a sync would end."""
    assert exit_code(facts) == code
