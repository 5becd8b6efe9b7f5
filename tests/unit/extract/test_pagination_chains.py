"""Cursors and links: one page names one other, or none, and never one where the chain has been."""

from dataclasses import replace

import pytest

from etl.errors import PagingLoop, SourceFailed
from etl.extract.pagination import strategy
from etl.model.instants import CursorFormat
from etl.model.page import Purpose
from etl.model.stream import Incremental
from etl.model.window import Window


@pytest.fixture
def cursors(kit):
    return lambda **more: strategy(kit.stream(pages=kit.paging("cursor", **more)))


@pytest.fixture
def links(kit):
    return lambda **more: strategy(kit.stream(pages=kit.paging("link", **more)))


def only(named):
    (request,) = named
    return request


def test_a_single_page_is_first_and_last(kit):
    """`pages: none`, and a stream that does not declare them."""
    for kind in ("none", "undeclared"):
        pages = strategy(kit.stream(pages=kit.paging(kind)))
        first = pages.first(kit.window)
        assert first.position == "first"
        assert list(pages.following(first, kit.facts(10, total_rows=500))) == []


def test_a_cursor_names_the_next_page(kit, cursors):
    """Its position is the cursor as JSON, so that a number and its text differ."""
    pages = cursors()
    first = pages.first(kit.window)
    second = only(pages.following(first, kit.facts(10, next_cursor="a")))
    third = only(pages.following(second, kit.facts(10, next_cursor=7)))

    assert (first.position, first.cursor) == ("first", None)
    assert (second.position, second.cursor, second.ordinal) == ('cursor:"a"', "a", 1)
    assert (third.position, third.cursor, third.ordinal) == ("cursor:7", 7, 2)


def test_a_cursor_may_be_an_object(kit, cursors):
    """CouchDB's startkey, MediaWiki's continue: the order of its members does not matter for its identity."""
    pages = cursors()
    one = only(pages.following(pages.first(kit.window), kit.facts(5, next_cursor={"b": 1, "a": [2]})))

    assert one.position == 'cursor:{"a": [2], "b": 1}'
    assert one.cursor == {"b": 1, "a": [2]}


def test_the_first_page_may_have_a_cursor_of_its_own(kit, cursors):
    """json-server answers a bare array without `_page=1`."""
    assert cursors(first=1).first(kit.window).cursor == 1


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_cursor_is_the_end(kit, cursors, nothing):
    """Absent, null, or empty."""
    pages = cursors()

    assert list(pages.following(pages.first(kit.window), kit.facts(10, next_cursor=nothing))) == []


def test_the_flag_is_looked_at_before_the_cursor(kit, cursors):
    """The last page may still carry one, even its own."""
    pages = cursors()
    second = only(pages.following(pages.first(kit.window), kit.facts(10, next_cursor="a", more=True)))

    assert list(pages.following(second, kit.facts(10, next_cursor="a", more=False))) == []


@pytest.mark.parametrize("kind", ["cursor", "link"])
def test_a_promise_of_more_without_a_way_there_is_an_error(kit, kind):
    """Ending here would lose what was promised."""
    pages = strategy(kit.stream(pages=kit.paging(kind)))

    with pytest.raises(SourceFailed, match="says that there is more"):
        pages.following(pages.first(kit.window), kit.facts(10, more=True))


def test_until_repeat_ends_at_the_same_token(kit, cursors):
    """CloudWatch Logs."""
    pages = cursors(until_repeat=True)
    second = only(pages.following(pages.first(kit.window), kit.facts(10, next_cursor="a")))

    assert list(pages.following(second, kit.facts(0, next_cursor="a"))) == []


def test_an_inclusive_keyset_ends_with_the_row_it_began_with(kit, cursors):
    """The last row comes again, alone, or with a page that is not full."""
    pages = cursors(inclusive=True, size=3)
    second = only(pages.following(pages.first(kit.window), kit.facts(3, b"1", next_cursor="c")))

    assert list(pages.following(second, kit.facts(1, b"2", next_cursor="c"))) == []
    assert list(pages.following(second, kit.facts(2, b"3", next_cursor="c"))) == []


def test_a_full_page_of_one_key_cannot_be_left(kit, cursors):
    """More rows share a cursor than a page holds: an error, not a loss."""
    pages = cursors(inclusive=True, size=3)
    second = only(pages.following(pages.first(kit.window), kit.facts(3, b"1", next_cursor="c")))

    with pytest.raises(PagingLoop):
        pages.following(second, kit.facts(3, b"2", next_cursor="c"))


def test_links_are_positions(kit, links):
    """The next page is named by where it is; no link is the end."""
    pages = links()
    second = only(pages.following(pages.first(kit.window), kit.facts(10, next_link="https://a.test/2")))

    assert (second.position, second.link, second.ordinal) == ("link:https://a.test/2", "https://a.test/2", 1)
    assert list(pages.following(second, kit.facts(10))) == []


def test_an_empty_page_with_a_link_goes_on(kit, links):
    """Filters after the limit empty pages in the middle; only the API says when it is over."""
    pages = links()

    assert only(pages.following(pages.first(kit.window), kit.facts(0, next_link="/2"))).link == "/2"


def walk(pages, window, cursors, kind="next_cursor"):
    request = pages.first(window)
    for number, cursor in enumerate(cursors):
        request = only(pages.following(request, _facts(number, **{kind: cursor})))
    return request


def _facts(number, **more):
    from etl.model.page import PageFacts

    return PageFacts(count=1, digest=b"%d" % number, **more)


@pytest.mark.parametrize("circle", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_a_cursor_seen_twice_is_a_circle(kit, cursors, circle):
    """At the first repetition, however long the way back."""
    with pytest.raises(PagingLoop, match="leads in a circle"):
        walk(cursors(), kit.window, circle)


def test_a_link_to_itself_is_a_circle(kit, links):
    """Found before it is asked for again."""
    with pytest.raises(PagingLoop):
        walk(links(), kit.window, ["/2", "/2"], "next_link")


def test_two_equal_pages_in_a_row_are_a_circle(kit, cursors):
    """The cursor moves, the rows do not: it is not sent where the API expects it."""
    pages = cursors()
    second = only(pages.following(pages.first(kit.window), kit.facts(10, b"same", next_cursor="a")))

    with pytest.raises(PagingLoop, match="same as the one before"):
        pages.following(second, kit.facts(10, b"same", next_cursor="b"))


def test_two_empty_pages_in_a_row_are_no_circle(kit, cursors):
    """They are equal, and say nothing."""
    pages = cursors()
    second = only(pages.following(pages.first(kit.window), kit.facts(0, b"e", next_cursor="a")))

    assert only(pages.following(second, kit.facts(0, b"e", next_cursor="b"))).cursor == "b"


def test_chains_of_different_windows_and_passes_do_not_meet(kit, cursors):
    """The same cursor in another window, or in a repair of the same one, is no repetition."""
    pages = cursors()
    for member in ("x", "y"):
        walk(pages, Window(member=member), ["a", "b"])
    repaired = replace(pages.first(Window(member="x")), attempt=2, purpose=Purpose.REPAIR)

    assert only(pages.following(repaired, kit.facts(1, next_cursor="a"))).cursor == "a"


def test_a_probe_names_nothing(kit, cursors):
    """It was asked for the proof alone."""
    pages = cursors()
    probe = replace(pages.first(kit.window), purpose=Purpose.PROBE, attempt=1)

    assert list(pages.following(probe, kit.facts(1, next_cursor="a"))) == []


def test_max_pages_ends_a_chain(kit, cursors):
    """Three pages, and the third names no other."""
    pages = cursors(max_pages=3)
    third = walk(pages, kit.window, ["a", "b"])

    assert third.ordinal == 2
    assert list(pages.following(third, kit.facts(1, next_cursor="c"))) == []


def test_the_first_page_of_a_feed_begins_at_the_watermark(kit, cursors):
    """Without one its cursor is left out, and the API begins where it does."""
    pages = cursors(first="{start}", first_is_start=True, until_repeat=True)

    assert pages.first(Window(start="17")).cursor == "17"
    assert pages.first(kit.window).cursor is None


def test_a_token_that_was_kept_as_text_is_the_number_it_was(kit, cursors):
    """An idle feed is one request, not two: 17 came back for "17"."""
    pages = cursors(first="{start}", first_is_start=True, until_repeat=True)

    assert list(pages.following(pages.first(Window(start="17")), kit.facts(0, next_cursor=17))) == []


def test_a_chain_stops_at_the_cap(kit, cursors):
    """To ask on would be a 400."""
    pages = cursors(cap=20, size=10)
    first = pages.first(kit.window)
    second = only(pages.following(first, kit.facts(10, b"1", next_cursor="a", total_rows=25)))

    assert list(pages.following(second, kit.facts(10, b"2", next_cursor="b", total_rows=25))) == []


def test_a_chain_stops_at_once_where_its_window_can_be_cut(kit):
    """The halves bring the same rows again; where nothing can be cut, what the API lists is read."""
    stream = kit.stream(
        params={"from": "{start}", "to": "{end}", "c": "{cursor}"},
        pages=kit.paging("cursor", cap=20, size=10),
        incremental=Incremental(field=("n",), format=CursorFormat("number")),
    )
    facts = kit.facts(10, b"1", next_cursor="a", total_rows=25)
    pages = strategy(stream)

    assert list(pages.following(pages.first(Window(start=0, end=8)), facts)) == []
    assert len(list(pages.following(pages.first(Window(start=0, end=1)), facts))) == 1
