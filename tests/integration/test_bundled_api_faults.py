"""Faults, limits and changes as a client on a real socket meets them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from etl.testing import ApiServer, Behaviour, Fault, FaultPlan, plan, serve

ITEMS = "/api/items"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with serve(port=0, items=30, orders=20, customers=5) as running:
        yield running


@pytest.fixture
async def client(api: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url, timeout=5) as made:
        yield made


async def test_scripted_answers_come_in_turn_and_end(client: httpx.AsyncClient, api: ApiServer) -> None:
    """503, an honest answer, 429, and honest ones from there on; other paths see nothing of it."""
    api.script(ITEMS, [Fault.status(503), None, Fault.status(429, retry_after=7)])

    elsewhere = await client.get("/api/customers")
    answers = [await client.get(ITEMS) for _ in range(4)]

    assert elsewhere.status_code == 200
    assert [answer.status_code for answer in answers] == [503, 200, 429, 200]
    assert answers[2].headers["retry-after"] == "7"
    assert api.pending(ITEMS) == 0


async def test_the_log_tells_what_was_asked_and_how_it_was_answered(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Status, query and the fault's name, in order of arrival; `count` and `forget` work on it."""
    api.script(ITEMS, [Fault.status(500)])

    await client.get(ITEMS, params={"page": 2})
    await client.get("/api/customers")

    assert [(line.path, line.status, line.fault) for line in api.requests] == [
        ("/api/items", 500, "500"),
        ("/api/customers", 200, ""),
    ]
    assert api.requests[0].query == {"page": "2"}
    assert (api.count(), api.count(ITEMS), api.count(status=200)) == (2, 1, 1)
    api.forget()
    assert api.count() == 0


@pytest.mark.parametrize("fault", [Fault.truncate(), Fault.reset(), Fault.hang_up(), Fault.raw(b"what?\r\n\r\n")])
async def test_a_broken_answer_breaks_that_connection_only(
    client: httpx.AsyncClient, api: ApiServer, fault: Fault
) -> None:
    """The client sees a protocol or read error, and the next request is fine."""
    api.script(ITEMS, [fault])

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(ITEMS)

    assert (await client.get(ITEMS)).status_code == 200


async def test_a_cut_body_looks_whole_to_the_client(client: httpx.AsyncClient, api: ApiServer) -> None:
    """No error anywhere: only the JSON tells that something is missing."""
    api.script(ITEMS, [Fault.cut()])

    answer = await client.get(ITEMS, headers={"Accept-Encoding": "identity"})

    assert answer.status_code == 200
    assert 0 < len(answer.content) < len((await client.get(ITEMS)).content)
    with pytest.raises(ValueError):
        answer.json()


async def test_a_connection_may_close_after_an_answer_without_saying_so(
    client: httpx.AsyncClient, api: ApiServer
) -> None:
    """The answer is whole; the next request needs a second connection."""
    api.script(ITEMS, [Fault.close_after()])

    assert (await client.get(ITEMS)).status_code == 200
    await asyncio.sleep(0.02)
    assert (await client.get(ITEMS)).status_code == 200

    assert api.connections_made == 2


@pytest.mark.parametrize("fault", [Fault.stall(), Fault.drip(0.01)])
async def test_an_answer_may_never_end(client: httpx.AsyncClient, api: ApiServer, fault: Fault) -> None:
    """Only a total deadline of the client ends it; the server stops when the client has gone."""
    api.script(ITEMS, [fault])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.get(ITEMS)

    assert (await client.get(ITEMS)).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (Fault.html(), 200, "text/html; charset=utf-8"),
        (Fault.error_in_200(), 200, "application/json"),
        (Fault.empty(), 204, None),
        (Fault.redirect("http://elsewhere.test/"), 302, None),
    ],
)
async def test_wrong_answers_are_whole(
    client: httpx.AsyncClient, api: ApiServer, fault: Fault, status: int, content_type: str | None
) -> None:
    """They fail in what they say, not in how they are sent, and the connection stays usable."""
    api.script(ITEMS, [fault])

    answer = await client.get(ITEMS)
    await client.get(ITEMS)

    assert (answer.status_code, answer.headers.get("content-type")) == (status, content_type)
    assert api.connections_made == 1


async def test_a_list_may_change_between_two_pages(client: httpx.AsyncClient, api: ApiServer) -> None:
    """The change happens before the answer that it is scripted for: page 1 misses the row that moved to page 0."""
    api.script(ITEMS, [None, Fault.then(lambda shop: shop.items.remove(1))])

    pages = [(await client.get(ITEMS, params={"page": page, "pageSize": 10})).json() for page in range(2)]

    assert [row["id"] for row in pages[0]["items"]] == list(range(1, 11))
    assert [row["id"] for row in pages[1]["items"]] == list(range(12, 22))


async def test_an_answer_is_never_older_than_the_shop(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Answers are kept ready, and made anew after every change."""
    before = (await client.get(ITEMS)).json()

    api.state.touch("items", 1, title="changed")
    after = (await client.get(ITEMS)).json()

    assert before["items"][0]["title"] != "changed"
    assert after["items"] == api.truth(ITEMS)[:10]


async def test_the_clock_can_be_turned_over_http(client: httpx.AsyncClient, api: ApiServer) -> None:
    """`POST /_/advance` is `state.advance`, every time it is asked for."""
    first = await client.post("/_/advance", params={"deletes": 1})
    second = await client.post("/_/advance", params={"deletes": 1})

    assert first.json()["changed"]["items"] == {"updated": 1, "inserted": 0, "deleted": 1}
    assert (second.json()["round"], len(api.state.items)) == (2, 28)


async def test_requests_beyond_the_capacity_are_refused(api: ApiServer, client: httpx.AsyncClient) -> None:
    """Six at once where four fit: four answers and two 429, and never more than four in flight."""
    api.behaviour = Behaviour(latency_s=0.3, capacity=4)

    answers = await asyncio.gather(*(client.get(ITEMS, params={"page": page}) for page in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 429, 429]
    assert (api.peak_in_flight, api.in_flight) == (4, 0)


async def test_a_rate_limit_counts_all_clients(api: ApiServer, client: httpx.AsyncClient) -> None:
    """One a second, three asked at once."""
    api.behaviour = replace(api.behaviour, rate=1)

    answers = [await client.get(ITEMS) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert answers[2].headers["retry-after"] == "1"


async def test_a_script_is_not_used_up_by_a_refusal(api: ApiServer, client: httpx.AsyncClient) -> None:
    """A request that the rate limit refuses never reaches the handler, nor its fault."""
    api.script(ITEMS, [Fault.status(500)])
    api.behaviour = Behaviour(capacity=0)
    refused = await client.get(ITEMS)
    api.behaviour = Behaviour()

    assert (refused.status_code, (await client.get(ITEMS)).status_code) == (429, 500)


async def test_a_client_that_goes_away_is_no_longer_in_flight(api: ApiServer, client: httpx.AsyncClient) -> None:
    """Its answer is dropped, the counter goes down."""
    api.behaviour = Behaviour(latency_s=30)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.get(ITEMS)

    async with asyncio.timeout(5):
        while api.in_flight:
            await asyncio.sleep(0.001)

    assert api.peak_in_flight == 1


async def test_gzip_is_for_clients_that_ask_for_it(api: ApiServer, client: httpx.AsyncClient) -> None:
    """The same body, packed and not; a server without gzip never packs."""
    async with client.stream("GET", ITEMS, headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
    plain = await client.get(ITEMS, headers={"Accept-Encoding": "identity"})
    api.behaviour = Behaviour(gzip=False)
    never = await client.get(ITEMS, headers={"Accept-Encoding": "gzip"})

    assert gzip.decompress(packed) == plain.content == never.content
    assert "content-encoding" not in never.headers


async def test_the_date_is_the_one_it_was_given() -> None:
    """A server may live in another time than the client; seconds are all an HTTP date can tell."""
    moment = datetime(2031, 5, 4, 3, 2, 1, 999_999, tzinfo=UTC)
    async with serve(port=0, items=1, orders=0, now=lambda: moment) as api, httpx.AsyncClient() as client:
        api.script(ITEMS, [None, Fault.close_after()])
        dates = [(await client.get(api.url + ITEMS)).headers["date"] for _ in range(2)]

    assert dates == ["Sun, 04 May 2031 03:02:01 GMT"] * 2


async def test_a_patient_client_gets_everything_out_of_a_hostile_server() -> None:
    """With `many` faults three tries are enough for every page, whatever order they are asked in."""
    async with serve(port=0, items=400, orders=0, faults=plan("many", 5)) as api:
        async with httpx.AsyncClient(base_url=api.url) as client:
            bodies = await asyncio.gather(*(_patient(client, page) for page in range(40)))

        ids = [row["id"] for body in bodies for row in body["items"]]
        assert ids == list(range(1, 401))
        assert len({line.fault for line in api.requests}) >= 8


async def _patient(client: httpx.AsyncClient, page: int) -> dict[str, list[dict[str, object]]]:
    for _ in range(3):
        try:
            answer = await client.get(ITEMS, params={"page": page, "pageSize": 10})
            body = answer.json()
        except (httpx.HTTPError, ValueError):
            continue
        # A decoder that stops after the first gzip member has no JSON, so nothing half-read comes this far.
        if answer.status_code == 200 and "items" in body:
            return body  # type: ignore[no-any-return]
    raise AssertionError(f"page {page} did not get through")


async def test_every_request_may_fail(client: httpx.AsyncClient, api: ApiServer) -> None:
    """A plan of one's own, switched on and off while the server runs."""
    api.plan_faults(FaultPlan(share=1.0, kinds=(Fault.status(502),), in_a_row=100))
    failed = await client.get(ITEMS)
    api.plan_faults(None)

    assert (failed.status_code, (await client.get(ITEMS)).status_code) == (502, 200)
