"""What may stand under `schedule`, and what is refused with which reason."""

import re
from datetime import timedelta

import pytest

from etl.model.schedule import Cron, Every, parse_schedule

MONDAY_TO_SUNDAY = frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("every 15m", timedelta(minutes=15)),
        ("every 1h30m", timedelta(minutes=90)),
        ("  Every   6 h ", timedelta(hours=6)),
        ("every 1s", timedelta(seconds=1)),
        ("every 1mo", timedelta(days=30)),
    ],
)
def test_every_takes_any_duration(text, interval):
    """A duration with units, spaces and case as people write them."""
    assert parse_schedule(text) == Every(interval)


@pytest.mark.parametrize(
    ("macro", "fields"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 jan *"),
        ("@annually", "0 0 1 1 *"),
        ("@Daily", "0 0 * * *"),
    ],
)
def test_macros_stand_for_five_fields(macro, fields):
    """APScheduler refuses macros; here they mean what crontab(5) says."""
    assert parse_schedule(macro) == parse_schedule(fields)


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", {0}),
        ("7", {0}),
        ("sun", {0}),
        ("1", {1}),
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("5-7", {5, 6, 0}),
        ("sat-sun", {6, 0}),
        ("SAT,sun", {6, 0}),
        ("0-7", {0, 1, 2, 3, 4, 5, 6}),
        ("*/2", {0, 2, 4, 6}),
    ],
)
def test_sunday_is_0_and_7(weekday, days):
    """Weekdays count as cron counts them, not as APScheduler does, where 0 is Monday and 7 an error."""
    schedule = parse_schedule(f"0 0 * * {weekday}")

    assert isinstance(schedule, Cron)
    assert schedule.weekdays == days


def test_fields_take_lists_ranges_and_steps():
    """All forms of a field, in one schedule."""
    assert parse_schedule("0,30 8-18/5 */10 jan-mar,12 *") == Cron(
        minutes=frozenset({0, 30}),
        hours=frozenset({8, 13, 18}),
        days=frozenset({1, 11, 21, 31}),
        months=frozenset({1, 2, 3, 12}),
        weekdays=MONDAY_TO_SUNDAY,
    )


def test_a_step_from_a_number_goes_to_the_end():
    """`10/20` is 10, 30, 50, as in every cron."""
    schedule = parse_schedule("10/20 * * * *")

    assert isinstance(schedule, Cron)
    assert schedule.minutes == {10, 30, 50}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("15m", "is not a schedule"),
        ("* * * *", "five cron fields"),
        ("0 0 * * * *", "five cron fields"),
        ("every", "is not a duration"),
        ("every 15", "is not a duration"),
        ("every 500ms", "shortest distance is `every 1s`"),
        ("every 11y", "longest distance is `every 10y`"),
        ("every 99999999999999999999y", "longest distance is `every 10y`"),
        ("@reboot", "unknown macro '@reboot'; one of @hourly, @daily"),
        ("60 * * * *", "minute '60' is out of range; 0 to 59"),
        ("0 24 * * *", "hour '24' is out of range; 0 to 23"),
        ("0 0 0 * *", "day of month '0' is out of range; 1 to 31"),
        ("0 0 * 13 *", "month '13' is out of range"),
        ("0 0 * * 8", "weekday '8' is out of range; 0 to 7, or sun mon"),
        ("0 0 * * blue", "weekday 'blue' is out of range"),
        ("*/0 * * * *", "step of 0"),
        ("30-10 * * * *", "ends before it begins"),
        ("1,,2 * * * *", "minute '' is not understood"),
        ("? * * * *", "minute '?' is not understood"),
        ("-5 * * * *", "minute '-5' is not understood"),
        ("0 0 30 2 *", "day of month '30' never comes in month '2'"),
        ("0 0 31 apr,jun,sep,nov *", "never comes"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text, reason):
    """The message names the part that is wrong."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_schedule(text)


@pytest.mark.parametrize("text", ["0 0 1 * 1", "0 0 */2 * mon", "0 0 13 * 5"])
def test_both_days_restricted_is_refused(text):
    """cron reads it as "or", APScheduler as "and": whoever writes it is surprised by one of them."""
    with pytest.raises(ValueError, match="both restricted: cron runs when either matches"):
        parse_schedule(text)


def test_the_29th_of_february_is_a_date():
    """It comes every four years, which is seldom but not never."""
    assert parse_schedule("0 0 29 2 *") == Cron(
        minutes=frozenset({0}),
        hours=frozenset({0}),
        days=frozenset({29}),
        months=frozenset({2}),
        weekdays=MONDAY_TO_SUNDAY,
    )
