"""Every kind of list of the bundled API, read through client, strategy and decoder, with faults on the way."""

import asyncio
import itertools
import random
from datetime import timedelta

import pytest

from etl.errors import RequestRefused
from etl.extract import open_source, strategy
from etl.model.secret import Redactor
from etl.model.selector import Selector
from etl.model.source import Limits, Source
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.normalize import StreamDecoder
from etl.testing import Fault, FaultPlan, serve

ITEMS = 137
NUMBER, OFFSET = {"page": "{page}", "per_page": "{size}"}, {"offset": "{offset}", "limit": "{size}"}
CURSOR = {"cursor": "{cursor}", "limit": "{size}"}


def paging(kind, **more):
    chosen = {name: Selector.parse(text) for name, text in more.items() if isinstance(text, str)}
    return Paging(kind=kind, **({"size": 10} | more | chosen))


def numbered(**more):
    return paging(PagesKind.NUMBER, first=1, **more)


def by_offset(**more):
    return paging(PagesKind.OFFSET, first=0, **more)


LISTS = {
    "number": ("/lists/number", NUMBER, "items", numbered(total_rows="total")),
    "number by pages": ("/lists/number", NUMBER, "items", numbered(total_pages="total_pages")),
    "number by header": ("/lists/number/header", NUMBER, "@", numbered(total_rows="header:X-Total-Count")),
    "number untold": ("/lists/number/untold", NUMBER, "items", numbered()),
    "number untold, 404": ("/lists/number/untold", NUMBER | {"past_end": "404"}, "items", numbered()),
    "number untold, last again": ("/lists/number/untold", NUMBER | {"past_end": "last"}, "items", numbered()),
    "number untold, first again": ("/lists/number/untold", NUMBER | {"past_end": "first"}, "items", numbered()),
    "offset": ("/lists/offset", OFFSET, "items", by_offset(total_rows="total")),
    "offset by header": ("/lists/offset/header", OFFSET, "@", by_offset(total_rows="header:X-Total-Count")),
    "offset untold": ("/lists/offset/untold", OFFSET, "items", by_offset()),
    "cursor": ("/lists/cursor", CURSOR, "items", paging(PagesKind.CURSOR, next="next_cursor")),
    "cursor while": ("/lists/cursor", CURSOR, "items", paging(PagesKind.CURSOR, next="next_cursor", more="has_more")),
    "starting after": (
        "/lists/cursor/starting-after",
        {"starting_after": "{cursor}", "limit": "{size}"},
        "data",
        paging(PagesKind.CURSOR, next="data[-1].id", more="has_more"),
    ),
    "link": ("/lists/link", {"per_page": "{size}"}, "@", paging(PagesKind.LINK, next="rel:next")),
    "link in the body": ("/lists/link/body", {"per_page": "{size}"}, "items", paging(PagesKind.LINK, next="next")),
    "none": ("/lists/none", {}, "items", paging(PagesKind.NONE)),
}


def stream(path, params, records, pages):
    templates = tuple((name, Template.parse(text)) for name, text in params.items())
    return Stream(
        source="api",
        name="things",
        table="api_things",
        request=RequestTemplate(path=Template.parse(path), params=templates),
        records=Records(path=Selector.parse(records)),
        pages=pages,
        key=(("id",),),
    )


async def read(api, declared, clock, *, retries=8):
    """Every named page at once, as far as the limiter admits it; the ids that came, and the facts by position."""
    limits = Limits(timeout=timedelta(seconds=5), retries=retries)
    source = Source(name="api", base_url=api.url, limits=limits)
    numbers, pages, facts, ids = itertools.count(1), strategy(declared), {}, []
    async with open_source(
        source, clock=clock, listener=lambda _: None, redactor=Redactor(), rng=random.Random(1)
    ) as opened:
        fetching = opened.stream(declared, StreamDecoder(declared, None, "sqlite"), lambda: next(numbers))

        async def one(request, tasks):
            async with opened.limiter.permit():
                page = await fetching.fetch(request)
            assert request.position not in facts
            facts[request.position] = page.facts
            ids.extend(key[0] for key in page.block.keys)
            for named in pages.following(request, page.facts):
                tasks.create_task(one(named, tasks))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(one(pages.first(Window()), tasks))
        assert opened.limiter.in_flight == 0
    return ids, facts


@pytest.mark.parametrize("name", LISTS)
async def test_every_list_is_read_to_its_end(name, clock):
    """All 137 items; only servers that repeat a page beyond their end bring some of them twice."""
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        ids, _ = await read(api, stream(*LISTS[name]), clock)

        assert set(ids) == set(api.state.items.ids)
        assert len(ids) == ITEMS or "again" in name


@pytest.mark.parametrize("name", LISTS)
async def test_every_list_is_read_to_its_end_through_faults(name, clock):
    """A third of the requests fail: statuses, cuts with and without a length, resets, hang-ups."""
    faults = FaultPlan(
        seed=5,
        share=0.33,
        kinds=(
            Fault.status(503),
            Fault.status(429, retry_after=0),
            Fault.truncate(),
            Fault.cut(),
            Fault.reset(),
            Fault.hang_up(),
            Fault.close_after(),
        ),
    )
    async with serve(port=0, items=ITEMS, orders=0, customers=0, faults=faults) as api:
        ids, _ = await read(api, stream(*LISTS[name]), clock)

        assert set(ids) == set(api.state.items.ids)


async def test_the_page_after_the_end_tells_that_it_was_refused(clock):
    """The verdict has to know whether an empty page or a refusal was the end."""
    async with serve(port=0, items=30, orders=0, customers=0) as api:
        _, empty = await read(api, stream(*LISTS["number untold"]), clock)
        _, refused = await read(api, stream(*LISTS["number untold, 404"]), clock)

    assert {facts.refused for facts in empty.values()} == {None}
    assert {place: facts.refused for place, facts in refused.items() if not facts.count} == {
        "page:4": 404,
        "page:5": 404,
    }


async def test_a_depth_limit_is_told_apart_from_the_end(clock):
    """What lies deeper than 50 is refused with 400; 137 items are there."""
    path, params, records, pages = LISTS["offset untold"]
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        ids, facts = await read(api, stream(path, params | {"depth": "50"}, records, pages), clock)

    assert len(ids) == 50
    assert facts["offset:50"].refused == 400


async def test_a_depth_limit_of_a_list_with_a_total_is_an_error(clock):
    """The page was promised, so a refusal in the middle is no end."""
    path, params, records, pages = LISTS["offset"]
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        with pytest.raises(ExceptionGroup) as caught:
            await read(api, stream(path, params | {"depth": "50"}, records, pages), clock)

    def leaves(group):
        return itertools.chain.from_iterable(
            leaves(error) if isinstance(error, ExceptionGroup) else [error] for error in group.exceptions
        )

    assert {type(error) for error in leaves(caught.value)} == {RequestRefused}
