"""When a source counts as unreachable, and for which failures that means no other try."""

from etl.errors import SourceUnavailable
from etl.extract.outage import Outage

REFUSED = SourceUnavailable("GET /things: the server could not be reached", reason="connect")
BUSY = SourceUnavailable("GET /things answered 503", reason="503")


def test_an_outage_begins_when_a_request_gave_up_and_not_before() -> None:
    """A first refusal may be a restart; every request still has its tries."""
    outage = Outage()
    assert not outage.hopeless(REFUSED)

    outage.gave_up(REFUSED)

    assert outage.hopeless(REFUSED)


def test_a_server_that_answers_badly_can_be_reached() -> None:
    """A 503 is tried as often as ever, during an outage too; and giving up on one begins none."""
    outage = Outage()
    outage.gave_up(BUSY)
    assert not outage.hopeless(REFUSED)

    outage.gave_up(REFUSED)

    assert not outage.hopeless(BUSY)


def test_an_answer_ends_the_outage() -> None:
    """The server is back: requests have all their tries again."""
    outage = Outage()
    outage.gave_up(REFUSED)

    outage.answered()

    assert not outage.hopeless(REFUSED)
