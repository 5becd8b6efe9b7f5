"""How the server behaves as a whole: latency, a capacity that it does not tell, a rate limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from etl.model.instants import parse_duration
from etl.testing.exchange import Answer, Call, error

RetryAfter = Literal["seconds", "zero", "date", "none", "garbage", "negative", "years"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """`latency_s` passes before every answer. Above `capacity` requests in flight the server answers 429, or, with
    `over_capacity="slow"`, takes as much longer as it is overloaded. `rate` is requests a second over all clients;
    what exceeds it is answered 429. `retry_after` chooses what such a 429 says. `gzip` packs for clients that ask.
    """

    latency_s: float = 0.0
    capacity: int | None = None
    over_capacity: Literal["429", "slow"] = "429"
    rate: float | None = None
    retry_after: RetryAfter = "seconds"
    gzip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the gate decided: how long the answer takes, and a refusal in its place."""

    delay_s: float = 0.0
    refusal: Answer | None = None


class Gate:
    """Applies a behaviour. Any request may ask for trouble of its own: `?latency=50ms`, `?capacity=4`,
    `?retry_after=date` (the first time its target is asked for, and every second time after that, it is 429).
    """

    def __init__(self, behaviour: Behaviour, monotonic: Callable[[], float]) -> None:
        self.behaviour = behaviour
        self._monotonic = monotonic
        self._tokens = 0.0
        self._filled_at = float("-inf")
        self._put_off: set[str] = set()

    def admit(self, call: Call, in_flight: int) -> Admission:
        """Decide over a request that finds `in_flight` others being answered."""
        rules = self.behaviour
        latency_s = _duration_s(call.query.get("latency"), rules.latency_s)
        capacity = _number(call.query.get("capacity"), rules.capacity)
        if "retry_after" in call.query and self._puts_off(call.target):
            return Admission(refusal=too_many(call.query["retry_after"]))
        if rules.rate is not None and not self._take_token(rules.rate):
            return Admission(refusal=too_many(rules.retry_after))
        if capacity is not None and in_flight >= capacity:
            if rules.over_capacity == "429":
                return Admission(refusal=too_many(rules.retry_after))
            latency_s *= (in_flight + 1) / max(capacity, 1)
        return Admission(delay_s=latency_s)

    def _puts_off(self, target: str) -> bool:
        if target in self._put_off:
            self._put_off.remove(target)
            return False
        self._put_off.add(target)
        return True

    def _take_token(self, rate: float) -> bool:
        now = self._monotonic()
        burst = max(rate, 1.0)
        self._tokens = min(burst, self._tokens + min(now - self._filled_at, 3600.0) * rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def too_many(retry_after: str) -> Answer:
    """429 with one of the many things servers write into Retry-After, as `RetryAfter` names them."""
    says = {
        "seconds": "1",
        "zero": "0",
        "date": "Wed, 21 Oct 2015 07:28:00 GMT",
        "garbage": "soon",
        "negative": "-5",
        "years": str(int(timedelta(days=3650).total_seconds())),
    }.get(retry_after)
    return error(429, "too many requests", *(() if says is None else (("Retry-After", says),)))


def _duration_s(raw: str | None, otherwise: float) -> float:
    if raw is None:
        return otherwise
    try:
        return parse_duration(raw).total_seconds()
    except ValueError:
        return otherwise


def _number(raw: str | None, otherwise: int | None) -> int | None:
    return int(raw) if raw is not None and raw.isdecimal() else otherwise
