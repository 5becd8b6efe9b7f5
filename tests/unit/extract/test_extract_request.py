"""From a named page to the request that is sent."""

import json
from datetime import timedelta

import pytest

from etl.errors import DataRefused, ForeignHost
from etl.extract.origins import Origins
from etl.extract.request import RequestBuilder
from etl.model.instants import CursorFormat, parse_instant, to_micros
from etl.model.page import PageRequest
from etl.model.stream import Incremental
from etl.model.window import Window


@pytest.fixture
def build(kit, clock):
    def made(
        path="/things",
        *,
        start=None,
        end=None,
        variables=None,
        base="https://api.test/v1",
        page=None,
        **more,
    ):
        source_headers = more.pop("source_headers", ())
        source = kit.source(base, headers=source_headers)
        builder = RequestBuilder(source, kit.stream(path, **more), Origins(source), clock)
        window = Window(start=start, end=end, variables=variables or {})
        return builder.build(PageRequest(window=window, position="x", **(page or {})))

    return made


def at(text):
    return to_micros(parse_instant(text))


def since(name="iso", **more):
    return Incremental(field=("updated",), format=CursorFormat(name), **more)


def test_parameters_are_filled_and_encoded(build):
    """Blanks are %20, never `+`; tildes stay; brackets in names stay readable."""
    out = build(params={"q": "a b+c&d=ä~", "created[gte]": "1:2/3", "page": "{page}"}, page={"page": 3})

    assert out.url == "https://api.test/v1/things?q=a%20b%2Bc%26d%3D%C3%A4~&created[gte]=1%3A2%2F3&page=3"
    assert (out.method, out.content) == ("GET", None)


def test_a_parameter_without_a_value_is_left_out(build):
    """The first page's cursor."""
    assert build(params={"after": "{cursor}", "n": "5"}).url == "https://api.test/v1/things?n=5"


@pytest.mark.parametrize(
    ("cursor", "sent"),
    [("a/b=", "a%2Fb%3D"), (7, "7"), (True, "true"), ({"a": [1]}, "%7B%22a%22%3A%5B1%5D%7D"), (0, "0")],
)
def test_cursors_are_sent_as_they_were_given(build, cursor, sent):
    """Text as text, objects as JSON; 0 is a cursor too."""
    assert build(params={"after": "{cursor}"}, page={"cursor": cursor}).url.endswith("?after=" + sent)


def test_the_declared_size_is_sent_unless_the_request_has_one(build, kit):
    """Probes may ask for less."""
    pages = kit.paging("number", first=1, size=100)
    params = {"n": "{size}"}

    assert build(params=params, pages=pages).url.endswith("?n=100")
    assert build(params=params, pages=pages, page={"size": 2}).url.endswith("?n=2")


def test_path_values_are_one_segment_each(build):
    """A slash in a value stays inside its segment."""
    out = build("/repos/{repo}/issues", variables={"repo": "a b/c?d"})

    assert out.url == "https://api.test/v1/repos/a%20b%2Fc%3Fd/issues"


def test_a_raw_value_keeps_its_slashes(build):
    """Registries want them."""
    assert build("/repos/{repo:raw}/issues", variables={"repo": "a/b"}).url == "https://api.test/v1/repos/a/b/issues"


@pytest.mark.parametrize(
    ("path", "value"), [("/users/{u}/x", ".."), ("/users/{u}", "."), ("/users/{u:raw}", "../admin")]
)
def test_values_do_not_climb_out_of_the_path(build, path, value):
    """`..` survives percent-encoding, and every server resolves it."""
    with pytest.raises(DataRefused, match=r"\.\."):
        build(path, variables={"u": value})


def test_a_path_without_its_value_is_an_error(build):
    """Never `/users/None`."""
    with pytest.raises(DataRefused, match="without a value"):
        build("/users/{user}")


def test_a_path_that_is_one_placeholder_may_be_a_url_of_the_same_origin(build):
    """PokeAPI lists the URLs of its details."""
    assert build("{url}", variables={"url": "https://api.test/v1/x/7/"}).url == "https://api.test/v1/x/7/"
    with pytest.raises(ForeignHost):
        build("{url}", variables={"url": "https://evil.test/x"})


def test_an_empty_path_is_the_base_url(build):
    """No slash is added."""
    assert build("").url == "https://api.test/v1"


def test_a_query_in_the_path_is_kept(build):
    """Parameters are added to it."""
    assert build("/x?a=1", params={"b": "2"}).url == "https://api.test/v1/x?a=1&b=2"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://api.test/v1/things?page_info=a%2Bb&sig=~%7E", "https://api.test/v1/things?page_info=a%2Bb&sig=~%7E"),
        ("/v1/query/01g-2000", "https://api.test/v1/query/01g-2000"),
        ("?after=x", "https://api.test/v1/things?after=x"),
    ],
)
def test_links_are_followed_verbatim(build, link, url):
    """Without the parameters of the first page, byte for byte; relative ones from the first page's path."""
    assert build(params={"limit": "250"}, page={"link": link}).url == url


def test_a_link_to_a_foreign_host_is_refused(build):
    """Before anything is sent."""
    with pytest.raises(ForeignHost):
        build(page={"link": "https://evil.test/x"})


@pytest.mark.parametrize(
    ("name", "sent"),
    [("iso", "2026-01-02T03%3A04%3A05Z"), ("unix", "1767323045"), ("unix_ms", "1767323045000"), ("date", "2026-01-02")],
)
def test_bounds_are_written_in_the_apis_format(build, name, sent):
    """The window's start in each spelling."""
    out = build(params={"since": "{start}"}, incremental=since(name), start=at("2026-01-02T03:04:05Z"))

    assert out.url.endswith("?since=" + sent)


def test_an_inclusive_end_is_the_last_unit_before_the_bound(build):
    """The window [1st, 3rd) is asked for as 1st to 2nd; one that ends inside a day includes that day."""
    params = {"from": "{start}", "to": "{end}"}
    inclusive = since("date", inclusive=True)

    whole = build(params=params, incremental=inclusive, start=at("2026-01-01"), end=at("2026-01-03"))
    inside = build(params=params, incremental=inclusive, start=at("2026-01-01"), end=at("2026-01-03T12:00:00Z"))

    assert whole.url.endswith("?from=2026-01-01&to=2026-01-02")
    assert inside.url.endswith("?from=2026-01-01&to=2026-01-03")


def test_an_inclusive_end_of_numbers_is_one_less(build):
    """[10, 20) is 10 to 19."""
    numbers = since("number", inclusive=True)
    out = build(params={"from": "{start}", "to": "{end}"}, incremental=numbers, start=10, end=20)

    assert out.url.endswith("?from=10&to=19")


def test_an_open_end_is_now_less_the_delay(build):
    """APIs that want both dates get both; the clock says 2026-01-02T03:04:05Z."""
    out = build(params={"to": "{end}"}, incremental=since("date", delay=timedelta(days=5)))

    assert out.url.endswith("?to=2025-12-28")


def test_without_a_start_parameters_that_hold_nothing_else_are_left_out(build):
    """So rows whose cursor is null arrive too. Inside other text there must be a value: the configured start."""
    out = build(
        params={"since": "{start}", "q": "updated>={start}"},
        headers={"If-Since": "{start}"},
        incremental=since("unix", start=at("2020-01-01")),
    )

    assert out.url.endswith("/things?q=updated%3E%3D1577836800")
    assert out.headers == ()


def test_a_window_with_a_start_always_asks_for_it(build):
    """A full reading in steps: every window without its start read everything before it again, 5,896 rows for 996."""
    out = build(
        params={"since": "{start}", "until": "{end}"},
        incremental=since("date", start=at("2020-01-01")),
        start=at("2026-01-02"),
        end=at("2026-01-09"),
    )

    assert out.url.endswith("?since=2026-01-02&until=2026-01-09")


def test_without_any_start_text_takes_the_beginning_of_time(build):
    """1970 in the API's format."""
    out = build(params={"q": "updated>={start}"}, incremental=since("iso"))

    assert out.url.endswith("?q=updated%3E%3D1970-01-01T00%3A00%3A00Z")


def test_json_bodies_keep_their_types_and_lose_what_holds_only_the_start(build):
    """`{size}` is the number 50; the filter text keeps its other conditions."""
    body = {
        "query": "x >= {start}",
        "variables": {"since": "{start}", "first": "{size}", "after": "{cursor}", "flag": True, "none": None},
        "sorts": ["a", "{start}"],
    }
    more = {"json": body, "method": "POST", "incremental": since("unix")}

    unbounded = build(**more, page={"size": 50})
    bounded = build(**more, page={"size": 50, "cursor": "c"}, start=5_000_000)

    assert json.loads(unbounded.content) == {
        "query": "x >= 0",
        "variables": {"first": 50, "flag": True, "none": None},
        "sorts": ["a"],
    }
    assert json.loads(bounded.content) == {
        "query": "x >= 5",
        "variables": {"since": 5, "first": 50, "after": "c", "flag": True, "none": None},
        "sorts": ["a", 5],
    }
    assert (unbounded.method, unbounded.headers) == ("POST", (("Content-Type", "application/json"),))


def test_forms_are_encoded_like_queries(build):
    """And lose `{start}` in the same way."""
    out = build(form={"a b": "c d", "since": "{start}"}, method="POST", incremental=since())

    assert out.content == b"a%20b=c%20d"
    assert out.headers == (("Content-Type", "application/x-www-form-urlencoded"),)


def test_a_streams_header_replaces_the_sources(build):
    """Whatever their case; a content type of one's own is kept."""
    out = build(
        headers={"accept": "text/x", "Content-Type": "application/ld+json"},
        source_headers=(("Accept", "a"), ("X-Org", "o")),
        json={"a": 1},
        method="POST",
    )

    assert out.headers == (("X-Org", "o"), ("accept", "text/x"), ("Content-Type", "application/ld+json"))


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\0b"])
def test_a_line_break_never_gets_into_a_header(build, value):
    """Values from data could forge headers; in a query they are encoded and harmless."""
    with pytest.raises(DataRefused, match="line break"):
        build(headers={"X-Name": "{name}"}, variables={"name": value})
    assert "\n" not in build(params={"n": "{name}"}, variables={"name": value}).url


def test_half_a_character_in_a_value_is_refused(build):
    """A lone surrogate in a cursor cannot be encoded; it must not end in a crash."""
    with pytest.raises(DataRefused, match="half a character"):
        build(params={"after": "{cursor}"}, page={"cursor": "\ud800"})
    with pytest.raises(DataRefused, match="half a character"):
        build(json={"after": "{cursor}"}, method="POST", page={"cursor": "\ud800"})


def test_members_of_an_object_go_into_the_next_query(build, kit):
    """MediaWiki's `continue`; they stand in for parameters of the same name."""
    out = build(
        params={"action": "query", "continue": "", "limit": "5"},
        pages=kit.paging("cursor", merges=True),
        page={"cursor": {"apcontinue": "Ä b", "continue": "-||", "gone": None}},
    )

    assert out.url == "https://api.test/v1/things?action=query&limit=5&apcontinue=%C3%84%20b&continue=-%7C%7C"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"json": {"size": 2}}, b'{"size":2,"page":{"after":7}}'),
        ({"form": {"size": 2}}, b"size=2&page=%7B%22after%22%3A7%7D"),
    ],
)
def test_members_go_into_the_body_where_there_is_one(build, kit, body, sent):
    """A search by POST continues in its body."""
    paging = kit.paging("cursor", merges=True)
    out = build(method="POST", pages=paging, page={"cursor": {"page": {"after": 7}}}, **body)

    assert (out.url, out.content) == ("https://api.test/v1/things", sent)


def test_what_is_merged_has_to_be_an_object(build, kit):
    """A single token has a place of its own."""
    with pytest.raises(DataRefused, match="no object"):
        build(pages=kit.paging("cursor", merges=True), page={"cursor": "abc"})
