"""Windows that are cut in two when the API caps what it lists of one query."""

from __future__ import annotations

import pytest

from etl.model.instants import CursorFormat
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Incremental, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window


def stream(format_name: str, *names: str) -> Stream:
    return Stream(
        source="hn",
        name="stories",
        table="hn_stories",
        request=RequestTemplate(
            path=Template.parse("/search"),
            params=tuple((name, Template.parse("{" + name + "}")) for name in names),
        ),
        records=Records(path=Selector(SelectorKind.BODY, "hits")),
        pages=Paging(kind=PagesKind.NUMBER, cap=1000),
        incremental=Incremental(field=("created",), format=CursorFormat(format_name)),
    )


def test_the_cut_lies_on_a_unit_of_the_format() -> None:
    """A filter in whole seconds cannot express half a second."""
    halves = stream("unix", "start", "end").halves(Window(start=0, end=3_000_000))

    assert halves == (Window(start=0, end=1_000_000), Window(start=1_000_000, end=3_000_000))


def test_a_window_of_one_unit_cannot_be_narrowed() -> None:
    """More rows in one second than the API lists: the run has to say so."""
    assert stream("unix", "start", "end").halves(Window(start=0, end=1_000_000)) == ()


@pytest.mark.parametrize(
    ("names", "window"),
    [
        pytest.param(("start",), Window(start=0, end=8), id="request-without-end"),
        pytest.param(("start", "end"), Window(end=8), id="no-lower-bound"),
        pytest.param(("start", "end"), Window(start=0), id="no-upper-bound"),
    ],
)
def test_what_cannot_be_asked_for_in_halves_is_not_cut(names: tuple[str, ...], window: Window) -> None:
    """Half a window is only worth something when the API can be asked for it."""
    assert stream("number", *names).halves(window) == ()


def test_numbers_are_cut_in_the_middle() -> None:
    """The halves share their bound, exclusive on one side and inclusive on the other."""
    assert stream("number", "start", "end").halves(Window(start=0, end=9)) == (
        Window(start=0, end=4),
        Window(start=4, end=9),
    )
