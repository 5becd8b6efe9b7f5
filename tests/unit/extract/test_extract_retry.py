"""Which answers are tried again, and what their headers ask for."""

import random
from datetime import UTC, datetime

import pytest

from etl.errors import AuthRefused, RateLimited, RequestRefused, SourceUnavailable
from etl.extract.retry import Quota, backoff_s, http_date, is_gone, is_past_end, quota_of, refusal, retry_after_s
from etl.model.page import PageRequest
from etl.model.window import Window

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("315360000", 315_360_000.0),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    """Negative and meaningless values ask for nothing; a date in the past means now."""
    assert retry_after_s({"retry-after": text}, NOW) == seconds


def test_a_retry_date_is_measured_by_the_servers_own_clock():
    """The local clock is an hour ahead; the wait is still the 30 s that the server meant."""
    headers = {"retry-after": "Fri, 02 Jan 2026 02:00:30 GMT", "date": "Fri, 02 Jan 2026 02:00:00 GMT"}

    assert retry_after_s(headers, NOW) == 30.0


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({}, None),
        ({"x-ratelimit-remaining": "lots"}, None),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "60", "x-ratelimit-reset": "30"},
            Quota(remaining=0, limit=60, reset_s=30.0),
        ),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1767323105"}, Quota(remaining=7, reset_s=60.0)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1767323105000"}, Quota(remaining=7, reset_s=60.0)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1"}, Quota(remaining=7, reset_s=1.0)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "nan"}, Quota(remaining=7)),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "9"}, Quota(remaining=3, reset_s=9.0)),
        ({"x-rate-limit-remaining": "3"}, Quota(remaining=3)),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, Quota(remaining=50, limit=100, reset_s=5.0)),
        ({"ratelimit": '"default";r=0;t=12'}, Quota(remaining=0, reset_s=12.0)),
        ({"ratelimit": '"burst";r=0;t=1, "daily";r=500;t=3600'}, Quota(remaining=0, reset_s=1.0)),
        ({"ratelimit": '"daily";r=5;t=3600,"burst";r=20;t=1'}, Quota(remaining=5, reset_s=3600.0)),
        ({"ratelimit": "limit=10;w=60, remaining=4, reset=7"}, Quota(remaining=4, limit=10, reset_s=7.0)),
        ({"ratelimit": '"default";burst=9'}, None),
    ],
)
def test_quotas_are_read_in_every_spelling(headers, quota):
    """Epoch in seconds or milliseconds, seconds from now, and both drafts of the RateLimit header."""
    assert quota_of(headers, NOW) == quota


def test_a_reset_as_an_epoch_is_measured_by_the_servers_own_clock():
    """60 s after the server's Date, whatever the local clock says."""
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1767319260",
        "date": "Fri, 02 Jan 2026 02:00:00 GMT",
    }

    assert quota_of(headers, NOW) == Quota(remaining=0, reset_s=60.0)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (408, {}, SourceUnavailable),
        (425, {}, SourceUnavailable),
        (500, {}, SourceUnavailable),
        (501, {}, SourceUnavailable),
        (503, {}, SourceUnavailable),
        (599, {}, SourceUnavailable),
        (429, {}, RateLimited),
        (403, {"retry-after": "1"}, RateLimited),
        (403, {"x-ratelimit-remaining": "0"}, RateLimited),
        (403, {"x-ratelimit-remaining": "5"}, AuthRefused),
        (401, {"retry-after": "1"}, AuthRefused),
        (403, {}, AuthRefused),
        (400, {}, RequestRefused),
        (404, {}, RequestRefused),
        (422, {}, RequestRefused),
    ],
)
def test_statuses_fall_into_three_groups(status, headers, kind):
    """Try again, credentials, never."""
    error = refusal("GET https://api.test/x", status, headers, "", NOW)

    assert type(error) is kind
    assert str(status) in error.what


def test_a_refusal_names_the_answer():
    """What happened, and the first words of the body; who sent the credentials knows what to do."""
    error = refusal("GET https://api.test/x", 401, {}, "bad token", NOW)

    assert error.what == "GET https://api.test/x answered 401 Unauthorized"
    assert "bad token" in error.why


def test_what_a_person_can_do_differs_between_trouble_and_a_limit():
    """A server's own trouble is waited for; a limit is kept by asking less often."""
    hints = [refusal("x", status, {}, "", NOW).hint.partition(";")[0] for status in (500, 503, 429)]

    trouble = "trouble of the server's own: try later, or tell its owner"
    assert hints == [trouble, trouble, "ask less often, as in limits: {rate: 1/s}"]


def test_a_used_up_quota_tells_how_long_to_wait_where_no_retry_after_does():
    """`Retry-After` wins when both are there."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "40"}

    assert refusal("x", 429, headers, "", NOW).retry_after_s == 40.0
    assert refusal("x", 429, {**headers, "retry-after": "3"}, "", NOW).retry_after_s == 3.0
    assert refusal("x", 429, {}, "", NOW).retry_after_s is None


def test_backoff_doubles_from_half_a_second_to_a_minute():
    """Full jitter: anything from 0 up to the bound."""

    class Highest(random.Random):
        def uniform(self, a, b):
            assert a == 0
            return b

    assert [backoff_s(attempt, Highest()) for attempt in (1, 2, 3, 7, 8, 30)] == [0.5, 1, 2, 32, 60, 60]


def test_backoff_differs_between_pages():
    """Pages that failed together do not come back together."""
    rng = random.Random(1)

    assert len({round(backoff_s(3, rng), 6) for _ in range(20)}) == 20


@pytest.mark.parametrize("text", ["", "yesterday", "Fri, 99 Jan 2026 03:05:05 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"])
def test_what_is_no_date_is_none(text):
    """And never an exception."""
    assert http_date(text) is None


def request(**more):
    return PageRequest(window=Window(), position="page:3", ordinal=2, **more)


@pytest.mark.parametrize(
    ("asked", "status", "ends"),
    [
        (request(may_be_past_end=True, stride=50), 404, True),
        (request(may_be_past_end=True, stride=50), 400, True),
        (request(may_be_past_end=True, stride=50), 204, True),
        (request(may_be_past_end=False, stride=50), 404, False),
        (request(may_be_past_end=False, stride=50, planned=9), 404, True),
        (request(may_be_past_end=False, stride=50, planned=9), 400, False),
        (request(may_be_past_end=True, stride=50), 405, False),
        (request(may_be_past_end=True, stride=500), 404, True),
        (request(may_be_past_end=True, stride=500), 422, False),
    ],
)
def test_a_page_that_nobody_promised_may_be_refused(asked, status, ends):
    """Except at a round depth with a 400 or 422: there an API stops listing, and the list does not end.

    A page that a total promised may only be gone: then it is 404 or 410, and the proof counts it as missing.
    """
    refused = RequestRefused("x", status=status)

    assert is_past_end(asked, refused) is ends
    assert ("cap" in refused.hint) is (status == 422)


@pytest.mark.parametrize(
    ("from_rows", "ordinal", "status", "gone"),
    [
        (True, 0, 404, True),
        (True, 0, 410, True),
        (True, 0, 403, False),
        (True, 1, 404, False),
        (False, 0, 404, False),
    ],
)
def test_only_a_member_that_was_a_row_can_be_gone(from_rows, ordinal, status, gone):
    """A value in the file that is not found is a mistake, and the cursor of a later page may have expired."""
    window = Window(member="7", may_be_gone=from_rows)
    asked = PageRequest(window=window, position="p", ordinal=ordinal)

    assert is_gone(asked, RequestRefused("x", status=status)) is gone
