"""U: beyond which instant a row is dated in the future."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from etl.bootstrap import _UpperBound
from etl.model.instants import to_micros
from etl.model.page import Response

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def heard(served_at):
    bound = _UpperBound(decoder=SimpleNamespace(upper_bound=None), counts_instants=True)
    bound.heard(Response(status=200, headers={}, body=b"", url="", served_at=served_at, started_at=NOON, seconds=0.5))
    return bound


def test_the_server_tells_the_time_of_its_first_answer() -> None:
    """Floored, less the round trip."""
    bound = heard(NOON + timedelta(seconds=7, milliseconds=900))

    assert bound.value == bound.decoder.upper_bound == to_micros(NOON + timedelta(seconds=6.5))


def test_without_a_date_the_local_clock_tells_it() -> None:
    """Once it was nobody's: then a stored row from the future was never replaced by what the API holds now."""
    bound = heard(None)

    assert bound.value == bound.decoder.upper_bound == to_micros(NOON)
