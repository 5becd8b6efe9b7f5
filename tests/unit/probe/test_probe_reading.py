"""What one answer tells: where its rows are, how long the list is, what leads to the next page."""

from __future__ import annotations

import pytest

from etl.probe.keys import direction, find_key
from etl.probe.limits import cap_in_words, declared_rate
from etl.probe.question import Question, Seen
from etl.probe.rows import find_rows
from etl.probe.times import TimeField, bounds, find_times, heard_bound, holds_bound, time_format
from etl.probe.totals import find_totals
from etl.probe.ways import find_ways, silent_way
from etl.testing.clock import NOON

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}]


@pytest.mark.parametrize(
    ("body", "shape", "path"),
    [
        (ROWS, "objects", ()),
        ({"results": ROWS, "count": 9}, "objects", ("results",)),
        ({"data": {"items": ROWS}, "errors": [{"id": 1}] * 50}, "objects", ("data", "items")),
        ({"rows": [[1, "a"], [2, "b"]], "columns": ["id", "name"]}, "rows", ("rows",)),
        ({"hourly": {"time": ["a", "b"], "heat": [1, 2]}, "unit": "C"}, "columns", ("hourly",)),
        ({"items": {"1": {"name": "a", "at": 1}, "2": {"name": "b", "at": 2}}}, "map", ("items",)),
        ({"id": 7, "name": "an object"}, "single", ()),
    ],
)
def test_rows_are_found_in_every_shape(body, shape: str, path: tuple[str, ...]) -> None:
    """Arrays of objects first, then arrays with names, parallel arrays, objects of objects, and one object."""
    place = find_rows(body)

    assert place is not None
    assert (place.shape, place.path) == (shape, path)
    assert place.rows(body)


def test_an_answer_without_rows_has_no_place() -> None:
    """Texts, numbers and arrays of scalars are no rows."""
    assert find_rows("hello") is None
    assert find_rows({"status": "ok", "list": [1, 2]}) is None
    assert find_rows([1, 2]) is None


def test_a_relay_edge_is_unwrapped() -> None:
    """The item stands under `node`, a cursor beside it."""
    place = find_rows({"data": {"users": {"edges": [{"node": {"id": 1}, "cursor": "x"}]}}})

    assert place is not None
    assert place.inner == "node"
    assert place.rows({"data": {"users": {"edges": [{"node": {"id": 1}, "cursor": "x"}]}}}) == ({"id": 1},)


def totals(body, headers=None):
    seen = Seen(status=200, body=body, headers=headers or {})
    place = find_rows(body)
    assert place is not None
    found = find_totals(seen, place, len(place.rows(body) or ()))
    return found.rows and found.rows.selector, found.pages and found.pages.selector


def test_a_total_is_a_number_not_below_the_rows() -> None:
    """In the body, in the body's frame, or in a header; a smaller number is something else."""
    assert totals({"results": ROWS, "count": 1302}) == ("count", None)
    assert totals({"data": ROWS, "meta": {"pagination": {"count": 9, "pages": 3, "page": 1}}}) == (
        "meta.pagination.count",
        "meta.pagination.pages",
    )
    assert totals(ROWS, {"x-wp-total": "9", "x-wp-totalpages": "3"}) == ("header:X-WP-Total", "header:X-WP-Totalpages")
    assert totals({"results": ROWS, "count": 2}) == (None, None)


def ways(body, links=None, params=()):
    question = Question(base_url="https://api.example.org/v1", path="/things", params=params)
    seen = Seen(status=200, body=body, links=links or {})
    place = find_rows(body)
    assert place is not None
    rows = place.rows(body) or ()
    return [
        (way.kind, way.param or way.selector, way.first)
        for way in find_ways(question, seen, place, rows, find_totals(seen, place, len(rows)))
    ]


def test_a_link_that_counts_up_is_a_number_once_the_total_is_known() -> None:
    """Without a total only the API can say that the list is over, so the link is followed."""
    next_url = "https://api.example.org/v1/things?offset=3&limit=3"
    assert ways({"results": ROWS, "count": 9, "next": next_url}) == [("offset", "offset", 0), ("link", "next", 0)]
    assert ways({"results": ROWS, "next": next_url}) == [("link", "next", 0)]
    assert ways(ROWS, links={"next": "https://api.example.org/v1/things?page=2"}) == [("link", "link", 0)]
    paged = {"results": ROWS, "total": 9, "next": "?page=2"}
    assert ways(paged)[0] == ("number", "page", 1)


def test_a_page_number_in_the_url_is_no_reason_to_follow_links() -> None:
    """A URL from a browser often ends with `?page=1`: its pages were read one after the other."""
    next_url = "https://api.example.org/v1/things?page=2"
    paged = {"results": ROWS, "count": 9, "next": next_url}
    assert ways(paged, params=(("page", "1"),)) == [("number", "page", 1), ("link", "next", 0)]


def test_the_id_of_the_last_row_is_no_offset_though_it_counts_like_one() -> None:
    """Ids 1, 2, 3 without a gap: read as offsets, the rows behind the first deleted one would be lost in a year."""
    rows = [{"id": n} for n in (1, 2, 3)]
    for name in ("_next", "behind"):
        paged = {"rows": rows, "count": 9, "next_url": f"https://api.example.org/v1/things?{name}=3"}
        assert ways(paged)[0] == ("link", "next_url", 0)
    skipped = {"rows": rows, "count": 9, "next_url": "https://api.example.org/v1/things?skip=3"}
    assert ways(skipped)[0] == ("offset", "skip", 0)


def test_tokens_last_rows_and_echoes_are_ways_too() -> None:
    """Named by the member, by `has_more`, or by what the answer repeats of the request."""
    assert ways({"items": ROWS, "next_cursor": "abc"})[0] == ("cursor", "next_cursor", 0)
    assert ("cursor", "cursor", 0) in ways({"items": ROWS, "next_cursor": "abc"})
    assert ways({"data": ROWS, "has_more": True})[0] == ("cursor", "starting_after", 0)
    assert ways({"data": ROWS, "total": 9, "page": 0, "pageSize": 3}) == [("number", "page", 0)]
    assert ways({"data": ROWS}) == []


def test_a_next_that_is_null_keeps_its_name() -> None:
    """The list fits on one page today, and it may not tomorrow."""
    way = silent_way(Seen(status=200, body={"results": ROWS, "next": None}))

    assert way is not None
    assert (way.kind, way.selector) == ("link", "next")


def test_the_key_is_the_field_that_tells_rows_apart() -> None:
    """Ids before names; two fields together where no single one does; none where nothing does."""
    key = find_key([{"name": "a", "id": 1}, {"name": "b", "id": 2}], "things")
    assert key is not None
    assert key.fields == (("id",),)
    lines = [{"order": o, "line": n, "ok": True} for o in (1, 2) for n in (1, 2)]
    compound = find_key(lines, "lines")
    assert compound is not None
    assert set(compound.fields) == {("order",), ("line",)}
    assert find_key([{"a": 1}, {"a": 1}], "things") is None


def test_a_direction_needs_three_rows_and_no_exception() -> None:
    """Equal values are no order, and one slip ends the claim."""
    assert direction(ROWS, ("id",)) == "asc"
    assert direction(ROWS[::-1], ("id",)) == "desc"
    assert direction(ROWS[:2], ("id",)) == ""
    assert direction([{"id": 1}, {"id": 3}, {"id": 2}], ("id",)) == ""


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["2024-01-01T00:00:00Z", "2024-01-01T02:00:00.5+02:00"], "iso"),
        (["2024-01-01"], "date"),
        (["2024-01-01 10:00:00"], "%Y-%m-%d %H:%M:%S"),
        (["2024-01-01T10:00:00"], "%Y-%m-%dT%H:%M:%S"),
        ([1704067200], "unix"),
        ([1704067200000], "unix_ms"),
        ([12], ""),
        (["2024-13-01"], ""),
        (["soon", None], ""),
        ([None], ""),
    ],
)
def test_the_format_of_instants_is_read_from_their_values(values, name: str) -> None:
    """As `incremental.format` names it; what is no instant has none."""
    assert time_format(values) == name


def test_fields_of_changes_stand_before_fields_of_creation() -> None:
    """Only the first kind sees a row that changes later."""
    rows = [{"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-02T00:00:00Z", "born": "2024-01-01"}]
    assert [(field.path, field.marks_changes) for field in find_times(rows)] == [
        (("updated_at",), True),
        (("created_at",), False),
    ]


def test_a_bound_is_heard_when_earlier_rows_vanish_and_later_ones_stay() -> None:
    """All rows: ignored. None: the far bound, or a filter for something else. A bound's own row tells inclusiveness."""
    field = TimeField(path=("at",), format="unix", marks_changes=True)
    rows = [{"at": 1704067200 + n} for n in range(6)]
    edges = bounds(field, rows, rows, NOON)
    assert edges is not None
    late, early = edges.middles
    assert late > early
    assert heard_bound(field, edges, rows) is None
    assert heard_bound(field, edges, []) == edges.future
    kept = [row for row in rows if row["at"] * 1_000_000 >= early]
    assert heard_bound(field, edges, kept) == early
    assert holds_bound(field, early, kept)
    assert not holds_bound(field, early, kept[1:])
    assert bounds(field, rows[:1], rows, NOON) is None


def test_limits_are_read_only_where_they_are_plain() -> None:
    """A window and a number make a rate; a refusal may name the largest page."""
    assert declared_rate({"ratelimit-policy": '"default";q=100;w=60', "ratelimit-limit": "100;w=60"}) == "100/min"
    assert declared_rate({"x-ratelimit-limit": "5000"}) == ""
    assert cap_in_words('{"error": "_size must be <= 500"}') == 500
    assert cap_in_words("no") is None
