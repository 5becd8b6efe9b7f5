"""Latency, capacity and rate as decisions, with a clock that stands still."""

from __future__ import annotations

import pytest

from etl.testing import Behaviour
from etl.testing.behaviour import Gate
from etl.testing.exchange import Call


class Seconds:
    def __init__(self) -> None:
        self.value = 100.0

    def __call__(self) -> float:
        return self.value


def call(target: str = "/api/items") -> Call:
    return Call(method="GET", target=target, headers={})


def test_beyond_its_capacity_the_server_refuses() -> None:
    """The request that finds four others in flight is one too many."""
    gate = Gate(Behaviour(capacity=4), Seconds())

    assert gate.admit(call(), 3).refusal is None
    refusal = gate.admit(call(), 4).refusal
    assert refusal is not None
    assert (refusal.status, ("Retry-After", "1") in refusal.headers) == (429, True)


def test_a_slow_server_takes_longer_by_its_overload() -> None:
    """Eight in flight where four fit: twice the latency, and no refusal."""
    gate = Gate(Behaviour(capacity=4, over_capacity="slow", latency_s=0.1), Seconds())

    assert gate.admit(call(), 2).delay_s == 0.1
    assert gate.admit(call(), 7).delay_s == 0.2


def test_a_rate_admits_so_many_in_a_second_and_no_more() -> None:
    """Two a second: a burst of two, then one more every half second."""
    seconds = Seconds()
    gate = Gate(Behaviour(rate=2), seconds)

    def admitted() -> bool:
        return gate.admit(call(), 0).refusal is None

    assert [admitted(), admitted(), admitted()] == [True, True, False]
    seconds.value += 0.5
    assert [admitted(), admitted()] == [True, False]
    seconds.value += 3600
    assert [admitted(), admitted(), admitted()] == [True, True, False]


@pytest.mark.parametrize(
    ("kind", "says"),
    [("seconds", "1"), ("zero", "0"), ("garbage", "soon"), ("negative", "-5"), ("years", "315360000"), ("none", None)],
)
def test_retry_after_comes_in_every_variant(kind: str, says: str | None) -> None:
    """The query asks for it; the first request of a target is put off, the second answered."""
    gate = Gate(Behaviour(), Seconds())
    target = f"/api/items?page=1&retry_after={kind}"

    refusal = gate.admit(call(target), 0).refusal

    assert refusal is not None
    assert dict(refusal.headers).get("Retry-After") == says
    assert gate.admit(call(target), 0).refusal is None
    assert gate.admit(call(target), 0).refusal is not None


def test_a_request_may_ask_for_its_own_latency_and_capacity() -> None:
    """`?latency=50ms` and `?capacity=1` need no option of the server; what cannot be read is ignored."""
    gate = Gate(Behaviour(latency_s=0.5), Seconds())

    assert gate.admit(call("/x?latency=50ms"), 0).delay_s == 0.05
    assert gate.admit(call("/x?latency=long"), 0).delay_s == 0.5
    assert gate.admit(call("/x?capacity=1"), 1).refusal is not None
