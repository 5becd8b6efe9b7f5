"""Which answers deserve another try, and how long to wait for it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from etl.errors import AuthRefused, EtlError, RateLimited, RequestRefused, SourceUnavailable
from etl.model.page import PageRequest

LONGEST_PAUSE_S: Final = 15 * 60.0
"""A server that asks for more ends the run instead: the next schedule asks again."""

_BASE_S: Final = 0.5
_CAP_S: Final = 60.0
_PASSING: Final = frozenset({408, 425})
_EPOCH_FROM: Final = 1_000_000_000
_EPOCH_MS_FROM: Final = 1_000_000_000_000
_POLICY = re.compile(r";\s*r\s*=")
_DRAFT = re.compile(r"\b(?P<name>limit|remaining|reset|r|t)\s*=\s*(?P<value>\d{1,15})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What rate headers tell: requests left, of how many, and the seconds until they are filled up."""

    remaining: int
    limit: int | None = None
    reset_s: float | None = None


def backoff_s(attempt: int, rng: random.Random) -> float:
    """Wait before the next try, in seconds; `attempt` counts the failed ones from 1.

    Full jitter: uniform between 0 and 0.5 s doubled each time, at most 60 s, so that parallel pages do not return
    together (AWS architecture blog, "Exponential backoff and jitter").
    """
    return rng.uniform(0, min(_CAP_S, _BASE_S * 2 ** (attempt - 1)))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """What `Retry-After` asks for, in seconds: a number, or a date against the server's own clock (RFC 9110 10.2.3).

    None when it is absent or makes no sense (negative, garbage).
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        at, served = http_date(text), http_date(headers.get("date", ""))
        return None if at is None else max(0.0, (at - (served or now)).total_seconds())
    return seconds if 0 <= seconds < float("inf") else None


@lru_cache(maxsize=64)
def http_date(text: str) -> datetime | None:
    """An HTTP date as an aware instant, None for anything else."""
    try:
        parsed = parsedate_to_datetime(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def quota_of(headers: Mapping[str, str], now: datetime) -> Quota | None:
    """Read `X-RateLimit-*` and the `RateLimit` drafts; None when the answer has neither.

    A reset told as a point in time is reckoned against the server's own clock, `now` where it tells none.
    """
    for prefix in ("x-ratelimit-", "ratelimit-", "x-rate-limit-"):
        told_remaining = headers.get(prefix + "remaining")
        remaining = None if told_remaining is None else _whole(told_remaining)
        if remaining is not None:
            return Quota(
                remaining=remaining,
                limit=_whole(headers.get(prefix + "limit")),
                reset_s=_until(_number(headers.get(prefix + "reset")), headers, now),
            )
    return _draft_quota(headers["ratelimit"]) if "ratelimit" in headers else None


def _draft_quota(text: str) -> Quota | None:
    """Of several policies (`"burst";r=0;t=1, "daily";r=500;t=3600`) the one that is nearest to its end."""
    policies = text.split(",") if _POLICY.search(text) else [text]
    told = [{found["name"]: int(found["value"]) for found in _DRAFT.finditer(policy)} for policy in policies]
    quotas = [
        Quota(remaining=left, limit=members.get("limit"), reset_s=None if reset is None else float(reset))
        for members in told
        if (left := members.get("remaining", members.get("r"))) is not None
        for reset in (members.get("reset", members.get("t")),)
    ]
    return min(quotas, key=lambda quota: quota.remaining, default=None)


def refusal(label: str, status: int, headers: Mapping[str, str], excerpt: str, now: datetime) -> EtlError:
    """The error of an answer with a status from 400: to be tried again, or the end of the window or stream."""
    what = f"{label} answered {status} {_phrase(status)}".rstrip()
    why = f"the answer begins: {excerpt}" if excerpt else ""
    wait = retry_after_s(headers, now)
    quota = quota_of(headers, now)
    exhausted = quota is not None and quota.remaining == 0
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and (wait is not None or exhausted)):
        asked = wait if wait is not None else (quota.reset_s if quota is not None and exhausted else None)
        return RateLimited(what, why=why, hint=_TOO_OFTEN, reason=str(status), retry_after_s=asked)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SourceUnavailable(what, why=why, hint=_ITS_OWN, reason=str(status), retry_after_s=wait)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        refused = AuthRefused(what, why=why)
        refused.status = status
        return refused
    return RequestRefused(what, status=status, why=why, hint=_HINTS.get(status, ""))


def is_past_end(request: PageRequest, refused: RequestRefused) -> bool:
    """Whether a refusal only says that the list ended before this page.

    Not at a round number of rows: APIs that list at most 1,000 or 10,000 rows of one query refuse the page after them
    with the same words, and there the list does not end. The hint of such an error says so.
    """
    if not request.may_be_past_end:
        # Promised by a total, and not found: the list became shorter meanwhile, which the proof sees and repairs.
        return refused.status in _GONE and 0 < request.ordinal < request.planned
    if refused.status not in _PAST_THE_END:
        return False
    if request.size:
        return True  # a page of another size is there for the proof alone
    depth = request.ordinal * request.stride
    if refused.status in _AMBIGUOUS and depth and depth % _ROUND_DEPTH == 0:
        refused.hint = (
            f"it was asked for the rows after {depth:,}: many APIs list no more of one query; "
            "say so with pages: {cap: ...} and read it in windows with incremental.step"
        )
        return False
    return True


def is_gone(request: PageRequest, refused: RequestRefused) -> bool:
    """Whether a refusal says that the member is no longer there: it was a row, and its first page is not found.

    A later page may be refused for its cursor, which is no sign of anything gone.
    """
    return request.window.may_be_gone and request.ordinal == 0 and refused.status in _GONE


_GONE: Final = frozenset({404, 410})
_PAST_THE_END: Final = frozenset({204, 400, 404, 410, 416, 422})
_AMBIGUOUS: Final = frozenset({400, 422})
_ROUND_DEPTH: Final = 1_000
_TOO_OFTEN: Final = "ask less often, as in limits: {rate: 1/s}; a run goes on from what is committed"
_ITS_OWN: Final = "trouble of the server's own: try later, or tell its owner; a run goes on from what is committed"
_HINTS: Final = {
    404: "is `path` right, and is base_url the API's and not its documentation's?",
    400: "the API did not understand the request; compare `params` with its documentation",
    422: "the API refuses these parameters; some APIs answer so beyond a depth of pages: use pages: link or windows",
    405: "is `method` right?",
}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _number(text: str | None) -> float | None:
    try:
        return float((text or "").split(",")[0].split(";")[0])
    except ValueError:
        return None


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return int(number) if number is not None and abs(number) < 2**63 else None


def _until(reset: float | None, headers: Mapping[str, str], now: datetime) -> float | None:
    """A reset is told as an epoch in seconds (GitHub) or milliseconds, or as seconds from now (most others)."""
    if reset is None or not 0 <= reset < float("inf"):
        return None
    if reset <= _EPOCH_FROM:
        return reset
    served = http_date(headers.get("date", "")) or now
    return max(0.0, (reset / 1000 if reset > _EPOCH_MS_FROM else reset) - served.timestamp())
