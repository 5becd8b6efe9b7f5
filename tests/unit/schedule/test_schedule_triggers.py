"""When a schedule is due, from the last tick that was acted upon."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given
from hypothesis import strategies as st

from etl.schedule.job import Job, due_now
from etl.schedule.triggers import Due, is_due, next_due

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(schedule, after, until, zone=UTC):
    found = []
    tick = next_due(schedule, after, zone)
    while tick <= until:
        found.append(f"{tick:%d %H:%M}")
        tick = next_due(schedule, tick, zone)
    return found


# --- every ---


def test_a_stream_that_never_ran_is_due_now():
    """Whatever its schedule says: the first run is not worth waiting a month for."""
    now = at("2026-03-04 05:06:07")

    assert is_due("every 6h", None, now) == Due(due_at=now)
    assert is_due("@monthly", None, now) == Due(due_at=now)


def test_every_is_due_an_interval_after_the_last_tick():
    """Neither earlier nor later."""
    last = at("2026-03-04 10:00")

    assert is_due("every 15m", last, at("2026-03-04 10:14:59")) is None
    assert is_due("every 15m", last, at("2026-03-04 10:15:00")) == Due(due_at=at("2026-03-04 10:15"))


def test_every_stays_on_its_grid_when_it_is_served_late():
    """A run that begins 40 s late does not move the ticks after it."""
    due = is_due("every 15m", at("2026-03-04 10:00"), at("2026-03-04 10:15:40"))

    assert due == Due(due_at=at("2026-03-04 10:15"))
    assert next_due("every 15m", due.due_at) == at("2026-03-04 10:30")


def test_three_days_of_downtime_are_one_catch_up_run():
    """The newest tick is run, the older ones are counted."""
    due = is_due("every 15m", at("2026-03-01 10:00"), at("2026-03-04 10:07"))

    assert due == Due(due_at=at("2026-03-04 10:00"), missed=287)
    assert is_due("every 15m", due.due_at, at("2026-03-04 10:07")) is None


def test_a_process_that_restarts_more_often_than_the_interval_still_comes_round():
    """Every 6 h in a process that lives for 5 h: the due time hangs on the last tick, not on the start."""
    last, runs = at("2026-03-01 00:00"), []
    for start in range(0, 48, 5):
        for hour in range(start, start + 5):
            due = is_due("every 6h", last, at("2026-03-01 00:00") + timedelta(hours=hour))
            if due:
                last = due.due_at
                runs.append(hour)

    assert runs == [6, 12, 18, 24, 30, 36, 42, 48]


def test_a_tick_just_ahead_of_the_clock_is_waited_for():
    """The clock went back a little: not a second run of the same tick."""
    last = at("2026-03-04 10:15")

    assert is_due("every 15m", last, at("2026-03-04 10:10")) is None
    assert is_due("*/15 * * * *", last, at("2026-03-04 10:10")) is None


def test_a_tick_from_a_clock_that_ran_years_ahead_counts_as_none():
    """Otherwise one wrong clock would silence the stream until that date has come."""
    now = at("2026-03-04 10:00")

    assert is_due("every 15m", at("2031-01-01 00:00"), now) == Due(due_at=now)
    assert is_due("@daily", at("2031-01-01 00:00"), now) == Due(due_at=now)


# --- cron ---


def test_cron_catches_up_once_with_the_newest_tick():
    """Three nights off: one run."""
    due = is_due("30 2 * * *", at("2026-03-01 02:30"), at("2026-03-04 08:00"))

    assert due == Due(due_at=at("2026-03-04 02:30"), missed=2)


def test_cron_is_not_due_between_its_ticks():
    """Also not when the last tick was recorded late."""
    assert is_due("30 2 * * *", at("2026-03-04 02:30"), at("2026-03-05 02:29:59")) is None
    assert is_due("30 2 * * *", at("2026-03-04 02:30:17"), at("2026-03-05 02:29:59")) is None


def test_the_count_of_missed_ticks_ends_somewhere():
    """A minute's schedule after a year off is answered at once."""
    due = is_due("* * * * *", at("2025-03-04 00:00"), at("2026-03-04 00:00"))

    assert due == Due(due_at=at("2026-03-04 00:00"), missed=1000)


def test_weekly_is_sunday():
    """APScheduler's own reading of `0 0 * * 0` is Monday."""
    assert next_due("@weekly", at("2026-03-04 00:00")) == at("2026-03-08 00:00")
    assert next_due("0 0 * * 7", at("2026-03-04 00:00")) == at("2026-03-08 00:00")
    assert at("2026-03-08 00:00").strftime("%A") == "Sunday"


def test_a_leap_day_is_found_across_a_year_without_one():
    """2100 is no leap year: eight years without a tick."""
    assert next_due("0 0 29 2 *", at("2096-02-29 00:00")) == at("2104-02-29 00:00")


@given(
    minute=st.sampled_from(["*", "*/7", "0", "5,50", "10-20/3"]),
    hour=st.sampled_from(["*", "*/5", "0", "23", "8-18"]),
    days=st.sampled_from(["* * *", "31 * *", "1,15 */2 *", "* * sun", "* jan,jul mon-fri", "28-31 2 *"]),
    after=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
)
def test_in_utc_the_ticks_are_those_of_apscheduler(minute, hour, days, after):
    """Where names stand for weekdays and no clock is turned, the library is right and a second opinion."""
    after = after.replace(tzinfo=UTC)
    text = f"{minute} {hour} {days}"
    opinion = CronTrigger.from_crontab(text, timezone=UTC)

    expected = opinion.get_next_fire_time(None, after + timedelta(microseconds=1))

    assert next_due(text, after) == expected


# --- clocks that are turned ---


def test_a_time_that_spring_skips_runs_once_after_the_gap():
    """29 March 2026 in Berlin has no 02:30; 03:00 there is 01:00 UTC."""
    found = ticks("30 2 * * *", at("2026-03-28 00:00"), at("2026-03-30 12:00"), BERLIN)

    assert found == ["28 01:30", "29 01:00", "30 00:30"]


def test_a_time_that_autumn_repeats_runs_once():
    """25 October 2026 in Berlin has 02:30 twice; the library's own trigger fires at both."""
    found = ticks("30 2 * * *", at("2026-10-24 00:00"), at("2026-10-26 12:00"), BERLIN)

    assert found == ["24 00:30", "25 00:30", "26 01:30"]


def test_the_second_showing_of_a_time_is_not_due_again():
    """The daily run of that date has been; the clock on the wall says 02:30 once more."""
    assert is_due("30 2 * * *", at("2026-10-25 00:30"), at("2026-10-25 01:30"), BERLIN) is None


def test_several_times_in_the_skipped_hour_are_one_run():
    """They all mean the moment after the gap."""
    found = ticks("*/20 2 * * *", at("2026-03-28 12:00"), at("2026-03-29 12:00"), BERLIN)

    assert found == ["29 01:00"]


def test_a_schedule_of_every_hour_follows_real_time():
    """Neither an hour without a run in autumn nor a double one in spring."""
    autumn = ticks("*/30 * * * *", at("2026-10-24 23:45"), at("2026-10-25 02:15"), BERLIN)
    spring = ticks("*/30 * * * *", at("2026-03-28 23:45"), at("2026-03-29 02:15"), BERLIN)

    assert autumn == ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]
    assert spring == ["29 00:00", "29 00:30", "29 01:00", "29 01:30", "29 02:00"]


def test_a_gap_at_midnight_belongs_to_the_day_that_begins_after_it():
    """In Cairo 24 April 2026 begins at 01:00."""
    found = ticks("@daily", at("2026-04-22 12:00"), at("2026-04-25 12:00"), ZoneInfo("Africa/Cairo"))

    assert found == ["22 22:00", "23 22:00", "24 21:00"]


def test_a_half_hour_gap_is_measured():
    """Lord Howe Island turns its clocks by 30 minutes, at 02:00 on 4 October 2026."""
    found = ticks("15 2 * * *", at("2026-10-03 00:00"), at("2026-10-04 23:00"), ZoneInfo("Australia/Lord_Howe"))

    assert found == ["03 15:30", "04 15:15"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
@pytest.mark.parametrize("schedule", ["30 1 * * *", "30 2 * * *", "0 0 * * *", "0 3 * * *"])
def test_a_daily_schedule_runs_once_for_every_local_date(zone, schedule):
    """Over two years, in zones that turn their clocks in different ways."""
    zone = ZoneInfo(zone)
    tick, end, dates = at("2026-01-01 12:00"), at("2028-01-01 12:00"), []
    while (tick := next_due(schedule, tick, zone)) <= end:
        dates.append(tick.astimezone(zone).date())

    assert len(dates) == 730
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(dates))


@given(
    last=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    hours=st.floats(0, 24 * 20),
    schedule=st.sampled_from(["30 2 * * *", "@hourly", "0 3 * * sun", "*/20 1-3 * * *", "every 7h"]),
)
def test_due_is_the_other_side_of_next(last, hours, schedule):
    """A stream is due exactly when its next tick has come, and afterwards it is not due any more."""
    last = last.replace(tzinfo=UTC)
    now = last + timedelta(hours=hours)

    due = is_due(schedule, last, now, BERLIN)

    assert (due is not None) == (next_due(schedule, last, BERLIN) <= now)
    if due is not None:
        assert last < due.due_at <= now
        assert is_due(schedule, due.due_at, now, BERLIN) is None


# --- several jobs ---


def test_due_now_names_the_longest_waiting_first_and_new_streams_last():
    """What `etl serve --run-due` runs, in that order."""
    jobs = [
        Job(stream_id="a.new", schedule="@daily"),
        Job(stream_id="a.fresh", schedule="every 1h", last_scheduled_at=at("2026-03-04 09:30")),
        Job(stream_id="a.late", schedule="every 1h", last_scheduled_at=at("2026-03-04 08:50")),
        Job(stream_id="a.later", schedule="@daily", last_scheduled_at=at("2026-03-02 00:00")),
    ]

    due = due_now(jobs, at("2026-03-04 10:00"))

    assert [(job.stream_id, d.missed) for job, d in due] == [("a.later", 1), ("a.late", 0), ("a.new", 0)]


def test_nothing_is_due_is_an_empty_list():
    """So that the command ends with 0."""
    jobs = [Job(stream_id="a.b", schedule="@daily", last_scheduled_at=at("2026-03-04 00:00"))]

    assert due_now(jobs, at("2026-03-04 10:00")) == []


def test_a_job_with_a_text_that_is_no_schedule_cannot_be_made():
    """A mistake shows where it is made, not at the first tick."""
    with pytest.raises(ValueError, match="is not a schedule"):
        Job(stream_id="a.b", schedule="soon")
