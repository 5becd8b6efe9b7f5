"""Different digests are counted exactly, in memory and through the file."""

import pytest

from etl.runs.digests import DigestCount


def packed(numbers):
    return b"".join(number.to_bytes(8, "big") for number in numbers)


@pytest.mark.parametrize("in_memory", [10, 1_000, 1_000_000])
def test_repeated_digests_count_once(in_memory):
    with DigestCount(in_memory=in_memory) as count:
        count.add(packed(range(3_000)))
        count.add(packed(range(2_000, 5_000)))
        count.add(packed(range(100)))
        assert count.count() == 5_000


def test_nothing_added_is_zero():
    with DigestCount() as count:
        count.add(b"")
        assert count.count() == 0
