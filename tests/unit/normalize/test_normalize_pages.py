"""Where items are, what a page says of its list, and what is no page."""

import json

import pytest

from etl.errors import ExpectationBroken, MalformedPage, RateLimited
from etl.model.feed import Feed
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records
from etl.model.window import Window


def paging(bench, kind=PagesKind.CURSOR, **paths):
    return Paging(kind=kind, **{name: bench.body(path) for name, path in paths.items()})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"<html>",
        b'{"data":[{"id":1}',
        b'{"data":null}',
        b"{}",
        b"[]",
        b"null",
        b'{"data":5}',
        b'{"data":[{"id":NaN}]}',
        b'{"data":[{"id":"\xff"}]}',
        b'{"data":[{"id":1,"x":' + b"[" * 65 + b"]" * 65 + b"}]}",
        b'{"data":[{"id":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}",
        b"[" * 200_000,
    ],
    ids=range(14),
)
@pytest.mark.parametrize("warm", [False, True])
def test_what_is_no_page_is_malformed_and_never_empty(bench, body, warm):
    """Zero rows would look like the end of the list."""
    decoder = bench.decoder()
    if warm:
        bench.feed(decoder, {"id": 1, "x": [1]})

    with pytest.raises(MalformedPage):
        bench.answer(decoder, body)


def test_an_empty_list_is_a_page(bench):
    """No rows, and no table yet."""
    decoder = bench.decoder()

    page = bench.feed(decoder)

    assert (page.facts.count, page.block.rows, decoder.schema.version) == (0, [], 0)


def test_a_page_past_the_end_tells_how_it_was_refused(bench):
    """422 may be the depth at which an API stops listing; the verdict has to know."""
    page = bench.answer(bench.decoder(), b"", status=422)

    assert (page.facts.count, page.facts.refused, page.block.rows) == (0, 422, [])
    assert bench.feed(bench.decoder(), {"id": 1}).facts.refused is None


def test_a_list_that_did_not_change_is_a_page_without_rows(bench):
    """304 has no body; it is neither a malformed page nor a refused one, and its headers move no token."""
    page = bench.answer(bench.decoder(), b"", status=304)

    assert (page.facts.count, page.facts.unchanged, page.facts.refused, page.facts.token) == (0, True, None, None)
    assert page.block.rows == []


@pytest.mark.parametrize("warm", [False, True])
def test_the_facts_of_a_page(bench, warm):
    """Plain paths, text totals, the range of cursors, and keys in page order."""
    pages = paging(bench, next="paging.next.after", total_rows="total", more="paging.more")
    decoder = bench.decoder(pages=pages, cursor=("at", "iso"))
    items = [{"id": 3, "at": "2024-01-02T00:00:00Z"}, {"id": 4, "at": None}, {"id": 1, "at": "2024-01-01T00:00:00Z"}]
    decoder.upper_bound = 1704067200000000
    if warm:
        bench.feed(decoder, *items)

    window = Window(start=1704067200000001)
    page = bench.feed(decoder, *items, total="1000", paging={"next": {"after": "abc"}, "more": True}, window=window)

    facts = page.facts
    assert (facts.count, facts.first_key, facts.last_key, len(facts.key_digests)) == (3, "3", "1", 24)
    assert (facts.next_cursor, facts.next_link, facts.total_rows, facts.more) == ("abc", None, 1000, True)
    assert (facts.min_cursor, facts.max_cursor) == (1704067200000000, 1704153600000000)
    assert (facts.future_rows, facts.outside_rows) == (1, 1)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data[-1].id", 2),
        ("data[-1].at", "2024-01-02T00:00:00+02:00"),
        ("links[?rel=='next'].href | [0]", "/p2"),
        ("data[-1].no", None),
    ],
)
def test_a_cursor_is_read_as_the_api_wrote_it(bench, warm, path, value):
    """Also off the last item, also where its column has another spelling."""
    decoder = bench.decoder(pages=paging(bench, next=path))
    items = [{"id": 1, "at": "2024-01-01T00:00:00Z"}, {"id": 2, "at": "2024-01-02T00:00:00+02:00"}]
    links = [{"rel": "prev", "href": "/p0"}, {"rel": "next", "href": "/p2"}]
    if warm:
        bench.feed(decoder, *items, links=None)

    page = bench.answer(decoder, json.dumps({"data": items, "links": links}))

    assert page.facts.next_cursor == value


@pytest.mark.parametrize(
    ("end", "value", "more"),
    [
        (False, True, True),
        (False, False, False),
        (False, 0, False),
        (False, "false", False),
        (False, None, False),
        (True, True, False),
        (True, False, True),
        (True, None, True),
        (True, "", True),
    ],
)
def test_while_and_until(bench, end, value, more):
    """`more` is False at the end, whichever of the two told it."""
    pages = Paging(kind=PagesKind.CURSOR, more=bench.body("flag"), more_means_end=end)

    assert bench.feed(bench.decoder(pages=pages), {"id": 1}, flag=value).facts.more is more


def test_headers_and_links_tell_the_rest(bench):
    """Totals in headers, the next page in the Link header."""
    pages = Paging(
        kind=PagesKind.LINK,
        next=Selector(SelectorKind.LINK, "next"),
        total_rows=Selector(SelectorKind.HEADER, "x-total"),
        total_pages=Selector(SelectorKind.HEADER, "x-pages"),
    )

    page = bench.feed(
        bench.decoder(pages=pages),
        {"id": 1},
        headers={"x-total": "12", "x-pages": "many"},
        links={"next": "http://api/2"},
    )

    assert (page.facts.next_link, page.facts.next_cursor) == ("http://api/2", None)
    assert (page.facts.total_rows, page.facts.total_pages) == (12, None)


@pytest.mark.parametrize("warm", [False, True])
def test_a_failure_in_a_success_is_a_failure(bench, warm):
    """`fail_if` comes before the missing records, and a throttle is worth another try."""
    decoder = bench.decoder(fail_if=bench.body("errors"))
    if warm:
        bench.feed(decoder, {"id": 1})

    assert bench.feed(decoder, {"id": 1}, errors=[]).facts.count == 1
    with pytest.raises(ExpectationBroken, match="no such field"):
        bench.answer(decoder, b'{"data":null,"errors":[{"message":"no such field"}]}')
    with pytest.raises(RateLimited):
        bench.feed(decoder, {"id": 1}, errors=[{"type": "RATE_LIMITED"}])


def test_a_repeated_page_has_the_same_digest(bench):
    """The digest is over the keys in their order."""
    decoder = bench.decoder()

    one = bench.feed(decoder, {"id": 1, "n": 1}, {"id": 2, "n": 1})
    same = bench.feed(decoder, {"id": 1, "n": 7}, {"id": 2, "n": 8})
    turned = bench.feed(decoder, {"id": 2, "n": 1}, {"id": 1, "n": 1})

    assert one.facts.digest == same.facts.digest != turned.facts.digest


def shape(bench, kind, path, **more):
    return Records(kind=kind, path=bench.body(path), **more)


@pytest.mark.parametrize("times", [1, 2])
def test_items_in_other_shapes(bench, times):
    """Parallel arrays, rows with names, a map, one object, bare values, nested lists, an expression."""
    cases = [
        (shape(bench, "columns", "h"), {"h": {"id": [1, 2], "t": [0.5, None]}}, [(1, 0.5), (2, None)]),
        (
            shape(bench, "rows", "rows", names=bench.body("columns")),
            {"columns": ["id", "t"], "rows": [[1, "a"]]},
            [(1, "a")],
        ),
        (shape(bench, "map", "q", key_name="id"), {"q": {"a": {"n": 1}, "b": {"n": 2}}}, [("a", 1), ("b", 2)]),
        (shape(bench, "objects", "one"), {"one": {"id": 1, "n": 2}}, [(1, 2)]),
        (shape(bench, "objects", "a[].b"), {"a": [{"b": {"id": 1}}, {"b": {"id": 2}}]}, [(1,), (2,)]),
        (
            shape(bench, "nested", "p", inner=bench.body("revs")),
            {"p": [{"revs": [{"id": 1}]}, {}, {"revs": [{"id": 2}]}]},
            [(1,), (2,)],
        ),
    ]
    for records, body, rows in cases:
        decoder = bench.decoder(records=records)
        for _ in range(times):
            page = bench.answer(decoder, json.dumps(body))
        assert page.block.rows == rows, records.kind


def test_the_whole_body_may_be_the_list(bench):
    """Blanks and a byte order mark before it do not matter."""
    decoder = bench.decoder(records="")
    bench.answer(decoder, b'[{"id":1}]')

    assert bench.answer(decoder, b'\xef\xbb\xbf [{"id":2}]\n').block.rows == [(2,)]


def test_a_nested_item_can_take_a_value_of_the_object_around_it(bench):
    """`{outer.x}` in `add`."""
    records = shape(bench, "nested", "pages", inner=bench.body("revs"))
    decoder = bench.decoder(records=records, add=[("page", "{outer.title}")])

    page = bench.answer(decoder, '{"pages":[{"title":"A","revs":[{"id":1}]},{"title":"B","revs":[{"id":2}]}]}')

    assert page.block.rows == [(1, "A"), (2, "B")]


def test_bare_values_become_rows_of_one_column(bench):
    """A list of names is a list of rows."""
    decoder = bench.decoder(key=("value",))

    bench.feed(decoder, "a")
    assert bench.feed(decoder, "b", "c").block.keys == [("b",), ("c",)]


@pytest.mark.parametrize("warm", [False, True])
def test_constants_of_add_are_columns(bench, warm):
    """A number stays a number, a text is never taken for an instant, and a key may be made of them."""
    decoder = bench.decoder(add=[("city", "{city.name}"), ("n", "{n}")], key=("city", "id"))
    window = Window(variables={"city": {"name": "2024-01-01T00:00:00Z"}, "n": 3})
    if warm:
        bench.feed(decoder, {"id": 1}, window=window)

    page = bench.feed(decoder, {"id": 1}, window=window)

    assert bench.types(decoder) == {"id": "bigint", "city": "text", "n": "bigint"}
    assert page.block.keys == [("2024-01-01T00:00:00Z", 1)]
    assert page.facts.first_key == '["2024-01-01T00:00:00Z",1]'


def test_a_flag_may_be_the_list_itself(bench):
    """`while: data` ends at the empty page, on both routes."""
    decoder = bench.decoder(
        pages=Paging(kind=PagesKind.NUMBER, more=bench.body("data"), total_rows=bench.body("data.total"))
    )

    flags = [bench.feed(decoder, *items).facts.more for items in ([{"id": 1}], [{"id": 2}], [])]

    assert flags == [True, True, False]


def test_a_page_of_another_shape_rejects_its_bad_items(bench):
    """Also once it is compiled."""
    decoder = bench.decoder(records=shape(bench, "rows", "rows", names=bench.body("columns")), columns={"n": "bigint"})

    for _ in range(2):
        page = bench.answer(decoder, '{"columns":["id","n"],"rows":[[1,1],[2,"x"],[3],[4,4]]}')

    assert page.block.rows == [(1, 1), (4, 4)]
    assert [reject.index for reject in page.rejects] == [1, 2]


@pytest.mark.parametrize("warm", [False, True])
def test_an_expression_that_cannot_be_evaluated_is_our_error(bench, warm):
    """`length` of a missing field is no bug of the program."""
    decoder = bench.decoder(pages=paging(bench, PagesKind.NUMBER, total_rows="length(ids)"))
    if warm:
        assert bench.feed(decoder, {"id": 1}, ids=[1, 2]).facts.total_rows == 2

    with pytest.raises(MalformedPage, match="length"):
        bench.feed(decoder, {"id": 1})


@pytest.mark.parametrize(
    ("answered", "token"),
    [("a/b=", "a/b="), (17, "17"), ({"b": 1, "a": 2}, '{"a":2,"b":1}'), (None, None), ("", None)],
)
def test_the_token_of_a_feed_is_kept_as_text(bench, answered, token):
    """It is opaque: nothing looks into it."""
    decoder = bench.decoder(feed=Feed(token=bench.body("sync")))

    assert bench.feed(decoder, {"id": 1}, sync=answered).facts.token == token


def test_a_token_may_stand_in_a_header(bench):
    """An ETag, or a name of the API's own."""
    decoder = bench.decoder(feed=Feed(token=Selector(SelectorKind.HEADER, "etag")))

    assert bench.feed(decoder, {"id": 1}, headers={"etag": '"17"'}).facts.token == '"17"'
