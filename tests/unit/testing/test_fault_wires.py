"""Each fault as the bytes it puts on the wire."""

from __future__ import annotations

import gzip

import pytest

from etl.testing import Fault
from etl.testing.exchange import Answer, Call, ok
from etl.testing.fault_plan import FaultDesk, FaultPlan, plan

HONEST = Answer(body=b'{"items":[1,2,3]}')
LONG = ok({"items": list(range(500))})


def wire(fault: Fault, answer: Answer = HONEST) -> bytes:
    return b"".join(fault.perform(answer).chunks)


def test_a_status_keeps_retry_after_as_it_was_written() -> None:
    """Seconds, dates and nonsense are sent untouched; without one there is no header."""
    assert b"HTTP/1.1 503 Service Unavailable\r\n" in wire(Fault.status(503))
    assert b"Retry-After: soon\r\n" in wire(Fault.status(429, retry_after="soon"))
    assert b"Retry-After" not in wire(Fault.status(429))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_body_announces_more_than_it_sends(share: float) -> None:
    """Content-Length is the honest one, the connection closes before it is reached."""
    data = wire(Fault.truncate(share))

    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Length: 17" in head
    assert len(body) == int(17 * share)
    assert Fault.truncate(share).perform(HONEST).ending == "close"


def test_a_cut_body_announces_nothing() -> None:
    """No length and no chunks: the end of the stream is all that ends the body."""
    data = wire(Fault.cut())

    assert b"Content-Length" not in data
    assert b"Connection: close" in data
    assert data.endswith(b'\r\n\r\n{"items"')


def test_two_gzip_members_hold_the_whole_body_together() -> None:
    """The first member alone is half of it."""
    head, _, body = wire(Fault.two_members(), LONG).partition(b"\r\n\r\n")

    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == LONG.body


def test_two_gzip_members_replace_the_packing_that_was_there() -> None:
    """An answer that was packed already is not packed twice."""
    head, _, body = wire(Fault.two_members(), LONG.packed()).partition(b"\r\n\r\n")

    assert head.count(b"Content-Encoding") == 1
    assert gzip.decompress(body) == LONG.body


def test_a_cut_gzip_stream_has_no_end() -> None:
    """A decoder that insists on the end of the stream fails."""
    body = wire(Fault.cut_gzip(), LONG).partition(b"\r\n\r\n")[2]

    with pytest.raises(EOFError):
        gzip.decompress(body)


def test_a_bomb_is_small_on_the_wire() -> None:
    """16 MiB of blanks travel in less than 64 KiB."""
    body = wire(Fault.bomb(16 << 20)).partition(b"\r\n\r\n")[2]

    assert len(body) < 65536
    assert len(gzip.decompress(body)) == 16 << 20


def test_a_drip_sends_the_head_at_once_and_the_body_bit_by_bit() -> None:
    """Every chunk is a wait, none of them long."""
    fault = Fault.drip(0.01, size=4).perform(HONEST)

    assert fault.chunks[1:] == (b'{"it', b'ems"', b":[1,", b"2,3]", b"}")
    assert fault.gap_s == 0.01


def test_a_plan_does_not_depend_on_the_order_of_arrival() -> None:
    """What a target meets follows from the seed, the target, and how often it was asked."""
    chaos = FaultPlan(share=0.5, kinds=(Fault.status(500), Fault.status(503)), seed=9)
    one, two = FaultDesk(chaos), FaultDesk(chaos)
    targets = [f"/api/items?page={page}" for page in range(20)]

    first = {target: one.next("/api/items", target) for target in targets}
    second = {target: two.next("/api/items", target) for target in reversed(targets)}

    assert first == second
    assert len({fault.name if fault else None for fault in first.values()}) == 3


def test_a_plan_lets_every_target_through_in_the_end() -> None:
    """Even when every request is to fail, the third of a target is honest: two faults in a row at most."""
    desk = FaultDesk(FaultPlan(share=1.0, kinds=(Fault.reset(),)))

    names = [fault.name if (fault := desk.next("/x", "/x?page=1")) else "honest" for _ in range(6)]

    assert names == ["reset", "reset", "honest", "reset", "reset", "honest"]


@pytest.mark.parametrize(("level", "least", "most"), [("some", 30, 70), ("many", 160, 240)])
def test_the_levels_keep_their_share(level: str, least: int, most: int) -> None:
    """About 5 % and about 20 % of a thousand first requests."""
    chaos = plan(level, 1)  # type: ignore[arg-type]
    assert chaos is not None

    met = sum(chaos.draw(f"/api/items?page={page}", 0) is not None for page in range(1000))

    assert least < met < most


def test_no_faults_is_no_plan() -> None:
    """`none` leaves nothing to draw from, so that the quick path of the server stays quick."""
    assert plan("none") is None
    assert FaultDesk(plan("none")).is_calm


def test_a_script_comes_before_the_plan_and_ends() -> None:
    """Scripted answers are used once each, in order, for their path alone; then the plan is back."""
    desk = FaultDesk(FaultPlan(share=1.0, kinds=(Fault.reset(),), in_a_row=1000))
    desk.script("/a", [Fault.status(500), None])

    names = [fault.name if (fault := desk.next("/a", "/a")) else "honest" for _ in range(3)]

    assert names == ["500", "honest", "reset"]
    assert desk.pending("/a") == 0


def test_the_last_of_repeated_parameters_counts() -> None:
    """A call reads its query and its JSON body once, and takes a body that is no object as an empty one."""
    call = Call(method="POST", target="/x?a=1&a=2&b=", headers={}, body=b"[1]")

    assert (dict(call.query), dict(call.json)) == ({"a": "2", "b": ""}, {})
