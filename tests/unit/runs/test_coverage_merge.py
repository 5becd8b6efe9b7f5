"""Coverage is disjoint, in order, and keeps the strongest verdict."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from etl.model.verdict import Verdict
from etl.runs.coverage import Interval, merge, missing

V, C, A, X = Verdict.VERIFIED, Verdict.CONSISTENT, Verdict.ASSUMED, Verdict.INCOMPLETE


def part(start, end, verdict=V):
    return Interval(start=start, end=end, verdict=verdict)


def test_neighbours_of_one_verdict_are_joined():
    assert merge([part(10, 20), part(0, 10)]) == (part(0, 20),)


def test_neighbours_of_different_verdicts_stay_apart():
    assert merge([part(0, 10), part(10, 20, C)]) == (part(0, 10), part(10, 20, C))


def test_a_weaker_reading_does_not_undo_a_stronger_one():
    assert merge([part(0, 10), part(5, 15, A)]) == (part(0, 10), part(10, 15, A))


def test_a_stronger_reading_replaces_the_middle_of_a_weaker_one():
    assert merge([part(None, None, C), part(5, 6)]) == (part(None, 5, C), part(5, 6), part(6, None, C))


def test_an_empty_interval_covers_nothing():
    assert merge([part(5, 5), part(7, 3)]) == ()


def test_what_was_never_read_or_only_incompletely_is_missing():
    read = [part(0, 10), part(12, 20, X), part(15, 18, C)]
    assert missing(read, 0, 30) == ((10, 15), (18, 30))


def test_open_bounds_are_kept_in_what_is_missing():
    assert missing([part(5, 10)], None, None) == ((None, 5), (10, None))
    assert missing([part(None, None)], None, None) == ()


def test_text_cursors_are_covered_too():
    assert missing([part("b", "d")], "a", "c") == (("a", "b"),)


bound = st.one_of(st.none(), st.integers(0, 12))
some = st.builds(part, bound, bound, st.sampled_from(list(Verdict)))


@given(st.lists(some, max_size=6))
def test_every_point_keeps_its_strongest_verdict(intervals):
    """A point between two integers belongs to the merged interval that the strongest given one would name."""

    def verdict_at(point, among):
        found = [i.verdict for i in among if i.low <= (0, point) and (0, point + 0.5) <= i.high]
        return max(found, key=lambda v: v.strength, default=None)

    merged = merge(intervals)
    assert all(left.high <= right.low for left, right in pairwise(merged))
    for point in range(-1, 14):
        assert verdict_at(point, merged) == verdict_at(point, intervals)
