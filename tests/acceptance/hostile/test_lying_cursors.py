"""What a feed of changes does to a reader that trusts its times, and that no row is lost or stale by it.

The API filters by `updated_at >= start` and has a clock of its own; between two syncs the test changes what it lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from etl.model.clock import SystemClock
from tests.acceptance.hostile.conftest import Hostile, http

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STREAM = """
things:
  path: /things
  params: {params}
  records: data
  pages: none
  key: id
  incremental: {incremental}
"""


class Feed:
    """Rows by id: the text of their time, and a value. `reads` is how the server understands its filter."""

    def __init__(self, hostile: Hostile) -> None:
        self.rows: dict[int, tuple[str | int | None, str]] = {}
        self.now = NOON
        self.reads: Callable[[str], datetime] = instant
        self.refuses: Callable[[str], bool] = lambda _: False
        self.asked: list[dict[str, str]] = []
        self._hostile = hostile
        hostile.wires.answers["/things"] = self.answer

    def configure(self, incremental: str = "{field: updated_at}", params: str = '{since: "{start}"}') -> None:
        self._hostile.streams(STREAM.format(incremental=incremental, params=params))

    def answer(self, target: str) -> bytes:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        self.asked.append(asked)
        if self.refuses(asked.get("since", "")):
            return http(b"{}", status="500 Broken")
        chosen = [
            {"id": number, "updated_at": at, "value": value}
            for number, (at, value) in self.rows.items()
            if ("since" not in asked or (at is not None and self.reads(str(at)) >= self.reads(asked["since"])))
            and ("until" not in asked or (at is not None and self.reads(str(at)) < self.reads(asked["until"])))
        ]
        return http(json.dumps({"data": chosen}).encode(), f"Date: {format_datetime(self.now, usegmt=True)}")

    def sync(self, *options: str, code: int = 0) -> str | None:
        """The watermark afterwards."""
        done = self._hostile.sync(*options)
        assert done.code == code, done.err
        (line,) = done.json["streams"]
        watermark: str | None = line["watermark"]
        return watermark

    def is_stored(self) -> None:
        """Every row, in its newest version."""
        stored = dict(self._hostile.project.rows("SELECT id, value FROM api_things"))
        assert stored == {number: value for number, (_, value) in self.rows.items()}


def instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def minutes(count: float) -> str:
    """The time so many minutes after noon."""
    return (NOON + timedelta(minutes=count)).isoformat()


@pytest.fixture
def feed(hostile: Hostile) -> Feed:
    return Feed(hostile)


mostly_lite = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
"""For what is decided before the database is asked; `make hostile` runs it on PostgreSQL too."""


def test_rows_of_one_instant_that_arrive_in_two_syncs(feed: Feed) -> None:
    """The lower bound is inclusive: a second row with the time of the newest one is found, even without a lag."""
    feed.configure("{field: updated_at, lag: 0s}")
    feed.rows = {1: (minutes(-1), "one"), 2: (minutes(-1), "two")}
    feed.sync()
    feed.rows[3] = (minutes(-1), "three")

    feed.sync()

    feed.is_stored()


@mostly_lite
def test_a_transaction_that_was_committed_late(feed: Feed) -> None:
    """Its row is four minutes older than what was read already; the lag of five minutes brings it."""
    feed.configure()
    feed.rows = {1: (minutes(0), "one")}
    feed.sync()
    feed.rows[2] = (minutes(-4), "late")

    feed.sync()

    feed.is_stored()


def test_a_feed_whose_database_is_ahead_of_its_web_server(feed: Feed) -> None:
    """Rows from the server's future do not carry the watermark past its own time."""
    feed.configure("{field: updated_at, lag: 0s}")
    feed.rows = {1: (minutes(0.5), "ahead")}
    assert (feed.sync() or "") <= "2026-03-01T12:00:00Z"
    feed.now += timedelta(minutes=1)
    feed.rows[2] = (minutes(0.25), "between")
    feed.rows[1] = (minutes(0.75), "again")

    feed.sync()

    feed.is_stored()


def test_a_row_of_the_year_2999_neither_moves_the_watermark_nor_freezes_itself(feed: Feed) -> None:
    """When its owner mends the date, the mended row replaces it."""
    feed.configure()
    feed.rows = {1: ("2999-01-01T00:00:00Z", "typo"), 2: (minutes(-10), "two")}
    assert (feed.sync() or "") <= "2026-03-01T11:55:00Z"
    feed.rows |= {1: (minutes(1), "mended"), 3: (minutes(1), "three")}
    feed.now += timedelta(minutes=2)

    feed.sync()

    feed.is_stored()


def test_rows_without_a_time_come_with_every_whole_reading(feed: Feed) -> None:
    """No filter ever matches them, so the first reading and `--full` are sent without it."""
    feed.configure()
    feed.rows = {1: (None, "never updated"), 2: (minutes(-1), "two")}
    feed.sync()
    feed.is_stored()
    feed.rows[1] = (None, "changed")

    feed.sync()
    feed.sync("--full")

    feed.is_stored()
    assert ["since" in asked for asked in feed.asked] == [False, True, False]


@mostly_lite
@pytest.mark.parametrize("form", ["'%Y-%m-%d %H:%M'", "'%Y-%m-%dT%H:%M:%S'", "unix", "date"])
def test_a_filter_that_is_coarser_than_the_rows(feed: Feed, form: str) -> None:
    """Bounds are floored, never rounded: a row of the same minute with a smaller fraction is found."""
    feed.configure(f"{{field: updated_at, lag: 0s, format: {form}}}")
    feed.reads = lambda text: datetime.fromtimestamp(int(text), UTC) if text.isdigit() else instant(text)
    feed.rows = {1: ("2026-03-01T11:59:59.999999Z", "one")}
    feed.sync()
    feed.rows[2] = ("2026-03-01T11:59:59.999999Z", "two")

    feed.sync()

    feed.is_stored()


@mostly_lite
def test_one_feed_that_writes_its_times_in_many_ways(feed: Feed) -> None:
    """Instants are compared, not texts: the newest is 11:30 UTC, whatever its spelling sorts like."""
    feed.configure("{field: updated_at, lag: 0s}")
    spellings = (
        "2026-03-01T11:30:00Z", "2026-03-01T13:30:00+02:00", "2026-03-01T13:29:59.123456+0200",
        "2026-03-01T11:29:58.5Z", "2026-03-01 11:29:00+00:00", "2026-03-01T06:00:00-05:30", "2026-03-01T11:00:00.000Z",
        "2026-03-01T16:59:00+05:45", "2026-03-01T11:29:59.1234567Z",
    )  # fmt: skip
    feed.rows = {number: (text, f"row {number}") for number, text in enumerate(spellings)}

    assert feed.sync() == "2026-03-01T11:30:00Z"

    feed.is_stored()
    feed.rows[99] = ("2026-03-01T12:30:00+01:00", "the same instant again")
    feed.sync()
    feed.is_stored()


@mostly_lite
def test_local_times_without_a_zone_while_the_clocks_go_back(feed: Feed) -> None:
    """New York, 1 November: 01:30 comes twice. With a lag of two hours no row of the second 01:30 is lost."""
    feed.configure("{field: updated_at, lag: 2h}")
    feed.now = datetime(2026, 11, 1, 5, 59, tzinfo=UTC)
    feed.rows = {1: ("2026-11-01T01:58:00", "before the clocks went back")}
    feed.sync()
    feed.now = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    feed.rows |= {1: ("2026-11-01T01:10:00", "changed after it"), 2: ("2026-11-01T01:05:00", "new after it")}

    feed.sync()
    feed.now = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    feed.rows[1] = ("2026-11-01T03:30:00", "changed once more")
    feed.sync()

    feed.is_stored()


def test_a_failed_window_holds_the_watermark(feed: Feed) -> None:
    """Five windows of a day, the second of which fails: exit 5, and the next run begins there."""
    feed.configure("{field: updated_at, start: 2026-02-25, step: 1d, lag: 0s}", '{since: "{start}", until: "{end}"}')
    feed.rows = {day: (f"2026-02-{day}T06:00:00Z", f"day {day}") for day in (25, 26, 27, 28)}
    feed.refuses = lambda since: since.startswith("2026-02-26")

    assert feed.sync(code=5) == "2026-02-26T00:00:00Z"

    feed.refuses = lambda _: False
    feed.sync()
    feed.is_stored()


def test_a_source_that_was_restored_from_a_backup(feed: Feed) -> None:
    """All its times went back. A whole reading takes the rows as they are now, though the stored ones look newer."""
    feed.configure()
    feed.rows = {1: (minutes(-1), "one"), 2: (minutes(-2), "two")}
    feed.sync()
    feed.rows = {1: (minutes(-90), "one as of yesterday"), 2: (minutes(-2), "two")}

    feed.sync()
    feed.sync("--full")

    feed.is_stored()


@mostly_lite
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_whose_clock_is_an_hour_off(feed: Feed, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """The server's own time bounds the watermark; nothing is lost and nothing read twice for ever."""
    feed.configure(params='{since: "{start}", until: "{end}"}')
    clock = Stepping(feed, hours)
    monkeypatch.setattr(SystemClock, "now", clock.now)
    feed.rows = {1: (minutes(-1), "one"), 2: (minutes(2), "future")}
    watermark = feed.sync()
    assert watermark is None or watermark <= "2026-03-01T11:55:00Z"
    feed.now += timedelta(hours=2)
    feed.rows[3] = (minutes(1), "three")

    feed.sync()

    feed.is_stored()


@mostly_lite
def test_a_clock_that_jumps_back_in_the_middle_of_a_run(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends, its seconds are not negative, and the watermark does not go back."""
    feed.configure()
    clock = Stepping(feed, 0)
    monkeypatch.setattr(SystemClock, "now", clock.now)
    feed.rows = {1: (minutes(-1), "one")}
    before = feed.sync()
    clock.jump_at, clock.jump = clock.calls + 6, timedelta(days=-400)
    feed.rows[2] = (minutes(-1), "two")

    assert feed.sync() == before

    feed.is_stored()
    (seconds,) = feed._hostile.project.rows("SELECT min(seconds) FROM etl_run_streams")[0]
    assert seconds >= 0


class Stepping:
    """A wall clock so many hours away from the feed's; from its `jump_at`th answer on it is elsewhere."""

    def __init__(self, feed: Feed, hours: int) -> None:
        self.feed, self.hours = feed, hours
        self.calls, self.jump_at, self.jump = 0, 10**9, timedelta(0)

    def now(self) -> datetime:
        self.calls += 1
        jumped = self.jump if self.calls >= self.jump_at else timedelta(0)
        return self.feed.now + timedelta(hours=self.hours, milliseconds=self.calls) + jumped
