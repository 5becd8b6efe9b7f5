"""Windows are half-open."""

from __future__ import annotations

from etl.model.window import Window


def test_a_window_holds_its_start_and_not_its_end() -> None:
    """Neighbouring windows share no row."""
    window = Window(start=10, end=20)

    assert [window.covers(cursor) for cursor in (9, 10, 19, 20)] == [False, True, True, False]


def test_a_row_without_a_cursor_belongs_to_every_window() -> None:
    """It must not be lost."""
    assert Window(start=10, end=20).covers(None)


def test_a_window_without_bounds_is_the_whole_list() -> None:
    """One bound is enough to make it a part."""
    assert Window().is_whole_list
    assert not Window(start=0).is_whole_list
    assert Window(end="m").covers("a")
