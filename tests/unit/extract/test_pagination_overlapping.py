"""Offsets that overlap by a row: nothing is left out, and nothing is named twice, whatever happens to the list."""

import random

import pytest

from etl.extract.pagination.overlapping import OverlappingPages
from etl.model.page import PageFacts
from etl.model.stream import PagesKind, Paging
from etl.model.window import Window

SIZE = 3


def pages():
    return OverlappingPages(Paging(kind=PagesKind.OFFSET, first=0, size=SIZE))


def walk(length_at):
    """Every offset that is asked for; `length_at(n)` is how many rows the list has at the nth answer."""
    made, window = pages(), Window()
    open_requests, asked = [made.first(window)], []
    while open_requests:
        request = open_requests.pop(0)
        count = min(max(length_at(len(asked)) - request.offset, 0), SIZE)
        asked.append(request.offset)
        open_requests += made.following(request, PageFacts(count=count))
    return asked


@pytest.mark.parametrize("length", range(40))
def test_a_list_without_a_total_is_read_to_what_lies_beyond_it(length) -> None:
    """The last request comes back empty."""
    assert max(walk(lambda _: length)) >= length


@pytest.mark.parametrize("seed", range(200))
def test_a_list_that_grows_while_it_is_read_has_no_page_named_twice(seed) -> None:
    """Two answers for one line of the ledger: the rows of the second belonged to no page, and were counted nowhere."""
    rng = random.Random(seed)
    lengths = [rng.randrange(2, 30)]

    def length_at(_):
        lengths.append(lengths[-1] + rng.choice((0, 0, 1)) * (len(lengths) < 40))
        return lengths[-1]

    asked = walk(length_at)

    assert len(asked) == len(set(asked))


def test_a_short_page_inside_a_block_names_nothing() -> None:
    """The page after it is on its way already, and begins at its end or beyond it."""
    made, window = pages(), Window()
    block = list(made.following(made.first(window), PageFacts(count=SIZE)))

    assert [request.offset for request in block] == [2, 4, 6, 8]
    assert list(made.following(block[1], PageFacts(count=SIZE - 1))) == []
    assert [request.offset for request in made.following(block[3], PageFacts(count=1))] == [9]
