"""Pages of another size across the boundaries of a numbered list."""

from __future__ import annotations

import pytest

from etl.model.small_page import page_across, sizes_of_probes


@pytest.mark.parametrize("stride", [*range(2, 101), 250, 1000])
def test_a_small_page_holds_the_rows_on_both_sides_of_every_boundary(stride: int) -> None:
    """By force, for page sizes from 2 on and 60 boundaries each; never as large as a page where that is possible."""
    for boundary in range(1, 61):
        rank = boundary * stride
        size, place = page_across(rank, sizes_of_probes(stride))
        assert place * size < rank < (place + 1) * size
        assert size <= max(11, stride // 2)


def test_there_is_as_much_room_as_possible_on_the_nearer_side() -> None:
    """Boundary 100 of pages of 100: of the sizes 10 to 21 the one that has it in its middle survives most drift."""
    size, place = page_across(100, sizes_of_probes(100))

    assert (size, place * size, (place + 1) * size) == (18, 90, 108)


def test_where_every_size_has_its_own_boundary_there_a_larger_one_is_taken() -> None:
    """12 is divided by 2, 3 and 4."""
    assert page_across(12, (2, 3, 4)) == (5, 2)
