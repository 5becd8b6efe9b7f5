"""Where the time of a run went."""

from __future__ import annotations

import pytest

from etl.model.run import TimeSplit


@pytest.mark.parametrize(
    ("rate_limit_s", "database_s", "bottleneck"),
    [
        pytest.param(0.0, 1.0, "network", id="waiting-for-answers"),
        pytest.param(8.0, 1.0, "rate limit", id="held-back"),
        pytest.param(0.0, 9.0, "database", id="writing"),
    ],
)
def test_the_largest_share_names_the_bottleneck(rate_limit_s: float, database_s: float, bottleneck: str) -> None:
    """Ten seconds of wall time; the network has what nobody else claims."""
    assert TimeSplit.of(10.0, rate_limit_s=rate_limit_s, database_s=database_s).bottleneck == bottleneck


def test_a_share_is_at_most_the_whole() -> None:
    """Sixteen streams that write at once spend more database time than the clock shows."""
    assert TimeSplit.of(10.0, rate_limit_s=0.0, database_s=60.0) == TimeSplit(database_s=10.0)
