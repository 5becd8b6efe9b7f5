"""What the first pages of a stream show, over pages that a test makes up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.errors import PagingLoop, RequestRefused, SourceFailed
from etl.model.instants import CursorFormat, from_micros, to_micros
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.schema import SchemaChange, TableSchema
from etl.model.selector import Selector
from etl.model.spelled import SpelledRequest
from etl.model.stream import Incremental, Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.service.sampling import Taken, key_finding, order_finding, page_two, sample_windows, take, take_rows

AT = datetime(2026, 1, 10, tzinfo=UTC)
STREAM = Stream(
    source="shop",
    name="items",
    table="shop_items",
    request=RequestTemplate(path=Template.parse("/items")),
    records=Records(path=Selector.parse("items")),
    pages=Paging(kind=PagesKind.NUMBER, first=0),
    key=(("id",),),
)


def page(number: int, keys: Sequence[int], **facts: Any) -> Page:
    packed = b"".join(key.to_bytes(8, "big") for key in keys)
    return Page(
        request=PageRequest(window=Window(), position=f"page:{number}", ordinal=number, page=number),
        response=Response(status=200, headers={}, body=b"[]", url="http://shop/items", started_at=AT),
        facts=PageFacts(count=len(keys), key_digests=packed, digest=packed[:8], **facts),
        block=RowBlock(
            version=1,
            rows=[(key,) for key in keys],
            keys=[(key,) for key in keys],
            hashes=[],
            cursors=[None] * len(keys),
        ),
    )


def taken(*pages: Page) -> Taken:
    return Taken(window=Window(), pages=pages)


class Pages:
    """Page 0 names all the others at once, as a numbered list with a total does."""

    def __init__(self, count: int) -> None:
        self._count = count

    def first(self, window: Window) -> PageRequest:
        return PageRequest(window=window, position="page:0", page=0)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        if request.ordinal:
            return ()
        return (replace(request, position=f"page:{n}", ordinal=n, page=n) for n in range(1, self._count))


class FakeSampler:
    def __init__(self, count: int, failure: Exception | None = None, failing: int = 1) -> None:
        self.pages = Pages(count)
        self.asked: list[str] = []
        self._failure, self._failing = failure, failing

    @property
    def schema(self) -> TableSchema:
        return TableSchema(version=1, columns=(), key=())

    @property
    def changes(self) -> tuple[SchemaChange, ...]:
        return ()

    def spelled(self, request: PageRequest) -> SpelledRequest:
        return SpelledRequest(method="GET", url=f"http://shop/{request.position}")

    async def fetch(self, request: PageRequest) -> Page:
        self.asked.append(request.position)
        if self._failure is not None and request.ordinal == self._failing:
            raise self._failure
        return page(request.ordinal, [request.ordinal * 2, request.ordinal * 2 + 1])

    def again(self, page: Page) -> Page:
        return page


async def test_no_more_pages_are_asked_for_than_allowed_and_the_next_one_is_named() -> None:
    """Two requests a stream, and the third is only told."""
    sampler = FakeSampler(5)

    found = await take(sampler, Window(), 2)

    assert sampler.asked == ["page:0", "page:1"]
    assert found.next is not None
    assert found.next.position == "page:2"


async def test_a_first_page_that_fails_is_raised_and_a_later_one_is_kept_with_its_error() -> None:
    """What came before it can still be shown."""
    broken = FakeSampler(5, PagingLoop("leads in a circle"))

    found = await take(broken, Window(), 2)

    assert len(found.pages) == 1
    assert page_two(STREAM, found).text == "page 2: leads in a circle"
    with pytest.raises(SourceFailed):
        await take(FakeSampler(5, SourceFailed("gone"), failing=0), Window(), 2)


class Years(FakeSampler):
    """Rows in the spring of 2024 only; what is asked for more than `widest` days is refused."""

    def __init__(self, widest: int) -> None:
        super().__init__(1)
        self.windows: list[tuple[str, str]] = []
        self._widest = timedelta(days=widest)

    async def fetch(self, request: PageRequest) -> Page:
        low, high = (from_micros(int(bound or 0)) for bound in (request.window.start, request.window.end))
        self.windows.append((low.date().isoformat(), high.date().isoformat()))
        if high - low > self._widest:
            raise RequestRefused("400: too wide", status=400)
        has_rows = low < datetime(2024, 6, 1, tzinfo=UTC) and high > datetime(2024, 3, 1, tzinfo=UTC)
        return page(0, [1, 2] if has_rows else [])


@pytest.mark.parametrize(
    ("widest", "asked"),
    [
        (10_000, [("2026-06-19", "2026-12-16"), ("2024-01-01", "2026-12-31")]),
        (
            200,
            [
                ("2026-06-19", "2026-12-16"),
                ("2024-01-01", "2026-12-31"),
                ("2026-12-16", "2026-12-31"),
                ("2024-01-01", "2024-06-29"),
            ],
        ),
    ],
)
async def test_rows_are_looked_for_beyond_the_newest_slice(widest: int, asked: list[tuple[str, str]]) -> None:
    """It is often empty; a handful of requests at most, and a window that is too wide for the API is passed over."""
    start = to_micros(datetime(2024, 1, 1, tzinfo=UTC))
    changed = Incremental(field=("at",), format=CursorFormat("iso"), start=start, step=timedelta(days=180))
    params = (("from", Template.parse("{start}")), ("to", Template.parse("{end}")))
    stream = replace(STREAM, incremental=changed, request=replace(STREAM.request, params=params))
    sampler = Years(widest)

    found = await take_rows(sampler, sample_windows(stream, datetime(2026, 12, 31, tzinfo=UTC)), 1)

    assert sampler.windows == asked
    assert (found.has_items, found.empty) == (True, len(asked) - 1)


@pytest.mark.parametrize(
    ("second", "grade", "text"),
    [
        pytest.param([3, 4], "ok", "page 2 brings 2 new rows, 0 repeated: paging proven", id="other rows"),
        pytest.param([1, 2], "problem", "page 2 (page:1) holds the rows of page 1 again", id="the same page"),
        pytest.param([], "ok", "page 2 is empty: the list ends after 2 rows", id="empty"),
        pytest.param(
            [2, 3],
            "warning",
            "page 2 brings 1 new row, 1 repeated: the list moved, or its order is not stable",
            id="one row again",
        ),
    ],
)
def test_page_two_is_proven_by_its_keys(second: list[int], grade: str, text: str) -> None:
    """Other keys prove that the parameter turns the page; the same ones, that it does not."""
    found = page_two(STREAM, taken(page(0, [1, 2]), page(1, second)))

    assert (found.grade, found.text) == (grade, text)


def test_a_page_that_overlaps_for_the_sake_of_the_proof_is_no_surprise() -> None:
    """Offsets with a unique immutable order share one row on purpose."""
    proved = replace(
        STREAM,
        pages=Paging(kind=PagesKind.OFFSET, first=0),
        order=Order(by=(("id",),), unique=True, immutable=True),
    )

    found = page_two(proved, taken(page(0, [1, 2]), page(1, [2, 3])))

    assert found.grade == "ok"


def test_a_total_that_one_page_does_not_reach_is_a_problem() -> None:
    """`pages: none` on a list that is paged."""
    found = page_two(STREAM, taken(page(0, [1, 2], total_rows=300)))

    assert found.grade == "problem"
    assert found.text == "the API tells 300 rows, page 1 brought 2, and nothing names page 2"


def test_a_key_that_two_rows_share_is_a_problem() -> None:
    """One of them would overwrite the other."""
    found = key_finding(STREAM, taken(page(0, [1, 1, 2])))

    assert found is not None
    assert (found.grade, found.text) == ("problem", "key id is not unique: 1 row of 3 share it with another")


def test_a_row_that_two_pages_bring_does_not_make_a_key_ambiguous() -> None:
    """Lists move while they are read."""
    found = key_finding(STREAM, taken(page(0, [1, 2]), page(1, [2, 3])))

    assert found is not None
    assert found.grade == "ok"


@pytest.mark.parametrize(
    ("pages", "keys", "words"),
    [
        pytest.param(
            Paging(kind=PagesKind.OFFSET, first=0),
            (9, 7, 6, 2),
            "{by: id, unique: true, immutable: true, direction: desc}",
            id="offset",
        ),
        pytest.param(
            Paging(kind=PagesKind.NUMBER, first=0, total_rows=Selector.parse("total")),
            (2, 6, 7, 9),
            "{by: id, append_only: true}",
            id="numbered with a total",
        ),
    ],
)
def test_an_order_that_was_seen_is_told_with_the_line_that_would_prove_the_list(
    pages: Paging, keys: tuple[int, ...], words: str
) -> None:
    """Only the API's owner can promise it; which promise is enough depends on the paging."""
    found = order_finding(replace(STREAM, pages=pages), taken(page(0, keys[:2]), page(1, keys[2:])))

    way = "ascending" if keys[0] < keys[1] else "descending"
    assert found.text == f"no order declared, id {way} seen: a run can be consistent at best"
    assert found.hint == f"if the API promises it, runs can be verified: order: {words}"


def test_no_line_is_offered_that_would_change_nothing() -> None:
    """A numbered list in one size that tells no total cannot be proved by any promise; nor one that is newest first."""
    assert order_finding(STREAM, taken(page(0, [1, 2]), page(1, [3, 4]))).hint == ""
    told = replace(STREAM, pages=replace(STREAM.pages, total_rows=Selector.parse("total")))
    assert order_finding(told, taken(page(0, [4, 3]), page(1, [2, 1]))).hint == ""


def test_a_declared_order_that_does_not_hold_is_a_problem() -> None:
    """The decoder found the two rows."""
    ordered = replace(STREAM, order=Order(by=(("id",),), unique=True, immutable=True))

    found = order_finding(ordered, taken(page(0, [2, 1], order_broken="id 1 after 2")))

    assert (found.grade, found.text) == ("problem", "the declared order by id does not hold: id 1 after 2")


def test_a_numbered_list_sorted_by_what_is_not_unique_cannot_be_verified() -> None:
    """Rows with the same value may change places between two requests."""
    ordered = replace(STREAM, order=Order(by=(("updated_at",),)))

    assert order_finding(ordered, taken(page(0, [1, 2]))).grade == "warning"


def test_one_page_is_the_whole_list_where_it_holds_a_row() -> None:
    """`one page holds all 0 rows` was praise for a filter that let nothing through."""
    found = [page_two(STREAM, taken(page(0, ids))) for ids in ([], [1], [1, 2])]

    assert [(one.grade, one.text) for one in found] == [
        ("warning", "no row came: nothing can be told of the paging"),
        ("ok", "one page holds the only row"),
        ("ok", "one page holds all 2 rows"),
    ]
