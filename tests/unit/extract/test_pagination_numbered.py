"""Numbered lists and offsets: which pages are asked for, whatever the server does."""

import itertools

import pytest

from etl.errors import PagingLoop, TooLarge
from etl.extract.pagination import strategy
from etl.model.page import PageFacts


class Server:
    """Answers pages of a list of numbers, as capped, filtered or talkative as a test wants it."""

    def __init__(self, rows, *, total=None, pages=None, cap=None, holes=(), beyond="empty", more=None):
        self.rows, self.total, self.pages, self.cap = rows, total, pages, cap
        self.holes, self.beyond, self.more = holes, beyond, more

    def answer(self, request, size):
        size = min(size, self.cap or size)
        start = request.offset if request.offset is not None else (request.page - 1) * size
        rows = list(range(start, min(start + size, self.rows)))
        if not rows and self.beyond != "empty":
            last = (self.rows - 1) // size
            start = 0 if self.beyond == "first" else last * size
            rows = list(range(start, min(start + size, self.rows)))
        shown = [row for row in rows if row not in self.holes]
        facts = PageFacts(
            count=len(shown),
            digest=repr(shown).encode(),
            total_rows=self.total,
            total_pages=self.pages,
            more=None if self.more is None else start + size < self.rows,
        )
        return shown, facts


def read(stream, server, size, *, order=None, limit=200):
    """Follow every named page; `order` picks which of the open requests is answered next."""
    pages, window = strategy(stream), stream_window()
    open_requests, seen, positions = [pages.first(window)], set(), []
    while open_requests:
        request = open_requests.pop(order(len(open_requests)) if order else 0)
        positions.append(request.position)
        assert len(positions) < limit, "endless"
        rows, facts = server.answer(request, size)
        seen.update(rows)
        open_requests += pages.following(request, facts)
    assert len(positions) == len(set(positions)), "a page was named twice"
    return sorted(seen), positions


def stream_window():
    from etl.model.window import Window

    return Window()


@pytest.fixture(params=["number", "offset"])
def make(kit, request):
    def made(size=None, **more):
        first = 1 if request.param == "number" else 0
        return kit.stream(pages=kit.paging(request.param, first=first, size=size, **more))

    return made


def test_positions_name_the_page_or_the_offset(kit):
    """They are stable across processes, and begin where the API begins."""
    numbers = strategy(kit.stream(pages=kit.paging("number", first=0, size=10)))
    offsets = strategy(kit.stream(pages=kit.paging("offset", first=5, size=10)))

    assert (numbers.first(kit.window).position, numbers.first(kit.window).page) == ("page:0", 0)
    assert (offsets.first(kit.window).position, offsets.first(kit.window).offset) == ("offset:5", 5)


def test_a_total_names_all_the_rest_at_once(make):
    """95 rows in tens: ten pages, and nothing else."""
    rows, positions = read(make(size=10), Server(95, total=95), 10)

    assert rows == list(range(95))
    assert len(positions) == 10


def test_a_planned_page_knows_the_plan(kit):
    """`planned`, `stride` and `ordinal` go with the request; only the last page may be past the end."""
    pages = strategy(kit.stream(pages=kit.paging("offset", first=0, size=10)))
    named = list(pages.following(pages.first(kit.window), kit.facts(10, total_rows=35)))

    assert [(r.offset, r.ordinal, r.planned, r.stride) for r in named] == [
        (10, 1, 4, 10),
        (20, 2, 4, 10),
        (30, 3, 4, 10),
    ]
    assert [r.may_be_past_end for r in named] == [False, False, True]


def test_a_list_of_a_million_pages_is_named_lazily(kit):
    """Nothing is built before it is asked for."""
    pages = strategy(kit.stream(pages=kit.paging("number", first=1, size=1, max_pages=2_000_000)))

    named = pages.following(pages.first(kit.window), kit.facts(1, total_rows=1_000_000))

    assert not isinstance(named, (list, tuple))
    assert [r.page for r in itertools.islice(named, 3)] == [2, 3, 4]


def test_a_single_page_that_holds_the_total_names_nothing(make):
    """Also when it is full."""
    assert len(read(make(size=10), Server(10, total=10), 10)[1]) == 1


def test_a_full_last_page_asks_what_comes_after_it(make):
    """A total is a hint: 100 rows told, 100 read, one more request shows that there is nothing else."""
    rows, positions = read(make(size=10), Server(100, total=100), 10)

    assert rows == list(range(100))
    assert len(positions) == 11


def test_a_total_that_is_too_low_does_not_end_the_list(make):
    """Some APIs count up to a bound; 57 rows come where 20 were told."""
    assert read(make(size=10), Server(57, total=20), 10)[0] == list(range(57))


def test_a_total_that_is_too_high_ends_after_the_plan(make):
    """Totals counted before a filter ask for empty pages, and no more than those."""
    rows, positions = read(make(size=10), Server(25, total=60), 10)

    assert rows == list(range(25))
    assert len(positions) == 6


def test_a_list_that_grew_is_read_to_its_new_end(kit):
    """The last planned page tells a higher total."""
    pages = strategy(kit.stream(pages=kit.paging("number", first=1, size=10)))
    last = list(pages.following(pages.first(kit.window), kit.facts(10, total_rows=25)))[-1]

    named = list(pages.following(last, kit.facts(10, total_rows=47)))

    assert [(r.page, r.planned) for r in named] == [(4, 5), (5, 5)]


@pytest.mark.parametrize("told", [{"total": 430}, {}, {"more": True}])
def test_a_server_that_caps_the_page_size_loses_nothing(make, told):
    """500 asked for, 100 a page come; with a total, without one, and with a flag."""
    assert read(make(size=500), Server(430, cap=100, **told), 500)[0] == list(range(430))


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 40, 41, 50, 51, 89, 90, 91, 137])
def test_without_a_total_every_length_is_read_to_its_end(make, rows):
    """At most four pages are asked for beyond the last one."""
    found, positions = read(make(size=10), Server(rows), 10)

    assert found == list(range(rows))
    assert len(positions) <= -(-rows // 10) + 5


@pytest.mark.parametrize("rows", [7, 37, 40, 41, 137])
def test_the_order_of_the_answers_does_not_matter(make, rows):
    """The newest request is answered first."""
    assert read(make(size=10), Server(rows), 10, order=lambda n: n - 1)[0] == list(range(rows))
    assert read(make(size=10), Server(rows, total=rows), 10, order=lambda n: n // 2)[0] == list(range(rows))


def test_a_page_that_lost_a_row_to_a_filter_leaves_no_gap(make):
    """The third page holds 9 of 10; the others are still asked for, each once."""
    found, _ = read(make(size=10), Server(137, holes={25}), 10)

    assert found == [row for row in range(137) if row != 25]


@pytest.mark.parametrize("beyond", ["last", "first"])
def test_a_server_that_repeats_a_page_beyond_its_end_does_not_hold_us(make, beyond):
    """Some answer the last page for ever, some begin anew."""
    for order in (None, lambda n: n - 1):
        found, positions = read(make(size=10), Server(60, beyond=beyond), 10, order=order)
        assert found == list(range(60))
        assert len(positions) <= 17


def test_a_told_list_ends_even_when_the_pages_beyond_repeat(make):
    """The full last page asks on, once."""
    assert len(read(make(size=10), Server(60, total=60, beyond="last"), 10)[1]) == 7


def test_an_api_that_ignores_the_number_of_the_page_is_an_error(make):
    """A mistyped parameter: every page is the first one. Ending there would lose nearly everything."""
    stream = make(size=10)
    pages = strategy(stream)
    first = pages.first(stream_window())
    second, *_ = pages.following(first, PageFacts(count=10, digest=b"same"))

    with pytest.raises(PagingLoop, match="the same items as the first page"):
        pages.following(second, PageFacts(count=10, digest=b"same"))


def test_a_flag_decides_whatever_the_page_holds(make):
    """`while: has_more` is true on a short page in the middle, and false on a full last one."""
    found, positions = read(make(size=10), Server(60, more=True, holes={15, 45}), 10)

    assert found == [row for row in range(60) if row not in {15, 45}]
    assert len(positions) <= 9


def test_total_pages_work_without_any_size(make):
    """WordPress: X-WP-TotalPages; the API decides how many rows a page has."""
    assert read(make(), Server(95, pages=10), 10)[0] == list(range(95))


def test_nothing_is_asked_for_beyond_the_cap_of_the_api(make):
    """1,000 rows listed at most, in pages of 100, of 5,000 told."""
    assert len(read(make(size=100, cap=1000), Server(5000, total=5000), 100)[1]) == 10


def test_max_pages_stops_the_naming(make):
    """The proof sees `ordinal + 1 >= max_pages` and says incomplete."""
    assert len(read(make(size=10, max_pages=5), Server(1000, total=1000), 10)[1]) == 5
    assert len(read(make(size=10, max_pages=7), Server(1000), 10)[1]) == 7


def test_an_empty_first_page_ends_the_list(make):
    """Whatever total goes with it."""
    assert len(read(make(size=10), Server(0, total=40), 10)[1]) == 1


def test_an_empty_first_page_that_promises_more_needs_a_size(kit):
    """An offset could only be asked for again and again."""
    pages = strategy(kit.stream(pages=kit.paging("offset", first=0)))

    with pytest.raises(PagingLoop):
        pages.following(pages.first(kit.window), kit.facts(0, more=True))


def test_a_first_page_that_lost_a_row_to_a_filter_does_not_promise_pages_that_are_not_there(kit):
    """100 rows told, 9 of 10 came: by 9 there are 12 pages, by 10 only 10. The 404 of the eleventh was an error."""
    pages = strategy(kit.stream(pages=kit.paging("number", first=1, size=10)))
    named = list(pages.following(pages.first(kit.window), kit.facts(9, total_rows=100)))

    assert [request.page for request in named] == list(range(2, 13))
    assert [request.page for request in named if request.may_be_past_end] == [11, 12]


def follow_a_growing_list(kit, pages, asked):
    open_requests, total = [pages.first(kit.window)], 100
    while open_requests:
        request = open_requests.pop(0)
        asked.append(request.position)
        open_requests += pages.following(request, kit.facts(10, request.position.encode(), total_rows=total))
        total += 20


def test_a_list_that_grows_faster_than_it_is_read_is_not_followed_for_ever(kit):
    """Every page tells 20 rows more; bounded by twice its first size and 100 pages, and said."""
    pages, asked = strategy(kit.stream(pages=kit.paging("number", first=1, size=10))), []

    with pytest.raises(TooLarge, match="grew faster than it was read: it held 100 rows at first"):
        follow_a_growing_list(kit, pages, asked)

    assert len(asked) < 130


def test_a_total_that_told_too_little_is_no_growth(kit):
    """5,700 rows where 100 are told on every page: read to the end."""
    stream = kit.stream(pages=kit.paging("number", first=1, size=10))

    assert len(read(stream, Server(5_700, total=100), 10, limit=700)[0]) == 5_700
