"""Every list of the bundled API, read to its end over a real socket, holds exactly what `truth` says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from etl.testing import ApiServer, serve

SIZE = 10
Rows = list[dict[str, Any]]


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with serve(port=0, items=47, orders=230, customers=25) as running:
        yield running


@pytest.fixture
async def client(api: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url) as made:
        yield made


async def get(client: httpx.AsyncClient, path: str, **params: object) -> Any:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_items_are_paged_from_zero_and_say_how_many(client: httpx.AsyncClient, api: ApiServer) -> None:
    """The page after the last is empty, and names the same totals."""
    rows: Rows = []
    for page in range(5):
        body = await get(client, "/api/items", page=page, pageSize=SIZE)
        rows += body.pop("items")
        assert body == {"page": page, "pageSize": 10, "totalPages": 5, "totalItems": 47}
    beyond = await get(client, "/api/items", page=5, pageSize=SIZE)

    assert rows == api.truth("/api/items")
    assert beyond == {"items": [], "page": 5, "pageSize": 10, "totalPages": 5, "totalItems": 47}


async def test_a_page_size_is_ten_by_default_and_capped_in_silence() -> None:
    """Asking for 5,000 gives 100 rows; the answer admits the size it used."""
    async with serve(port=0, items=130) as api, httpx.AsyncClient(base_url=api.url) as client:
        default, greedy = await get(client, "/api/items"), await get(client, "/api/items", pageSize=5000)

    assert (len(default["items"]), default["totalPages"]) == (10, 13)
    assert (len(greedy["items"]), greedy["pageSize"], greedy["totalPages"]) == (100, 100, 2)


async def test_orders_between_two_instants_include_the_lower_bound_alone(
    client: httpx.AsyncClient, api: ApiServer
) -> None:
    """`updated_since` is inclusive, `until` is not; the total counts what the bounds select."""
    truth = api.truth("/api/orders")
    since, until = str(truth[40]["updated_at"]), str(truth[70]["updated_at"])

    body = await get(client, "/api/orders", updated_since=since, until=until, pageSize=100)

    assert body == {"data": truth[40:70], "total": 30}
    assert body["data"] == api.truth(f"/api/orders?updated_since={since}&until={until}")


async def test_the_last_page_of_a_window_does_not_reach_into_the_next(
    client: httpx.AsyncClient, api: ApiServer
) -> None:
    """Paging ends at the bound and not at the end of the table, and a window the wrong way round is empty."""
    truth = api.truth("/api/orders")
    until = str(truth[25]["updated_at"])

    sizes = [len((await get(client, "/api/orders", until=until, page=n, pageSize=SIZE))["data"]) for n in range(4)]
    empty = await get(client, "/api/orders", updated_since="2030-01-01T00:00:00Z", until=until)

    assert sizes == [10, 10, 5, 0]
    assert empty == {"data": [], "total": 0}


async def test_customers_are_read_by_offset(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Rows from an offset on, with the total."""
    rows: Rows = []
    for offset in (0, 10, 20):
        body = await get(client, "/api/customers", offset=offset, limit=SIZE)
        rows += body["rows"]
        assert body["total"] == 25

    assert rows == api.truth("/api/customers")


@pytest.mark.parametrize("path", ["/lists/number", "/lists/number/untold"])
async def test_numbered_lists_start_at_one(client: httpx.AsyncClient, api: ApiServer, path: str) -> None:
    """Five pages and an empty one; only the first variant tells a total."""
    bodies = [await get(client, path, page=page, per_page=SIZE) for page in range(1, 7)]

    assert [row for body in bodies for row in body["items"]] == api.truth(path)
    assert bodies[5]["items"] == []
    assert bodies[0].get("total") == (47 if path == "/lists/number" else None)


@pytest.mark.parametrize(
    ("path", "params"),
    [("/lists/number/header", {"page": 2, "per_page": 10}), ("/lists/offset/header", {"offset": 10, "limit": 10})],
)
async def test_a_total_may_stand_in_a_header(
    client: httpx.AsyncClient, api: ApiServer, path: str, params: dict[str, int]
) -> None:
    """The body is the array, `X-Total-Count` the number of all rows."""
    answer = await client.get(path, params=params)

    assert answer.json() == api.truth(path)[10:20]
    assert answer.headers["x-total-count"] == "47"


async def test_a_total_may_be_told_on_head_alone(client: httpx.AsyncClient) -> None:
    """HEAD has the headers of GET and no body."""
    answer = await client.head("/lists/number/header")

    assert (answer.headers["x-total-count"], answer.content) == ("47", b"")


@pytest.mark.parametrize("path", ["/lists/offset", "/lists/offset/untold"])
async def test_lists_by_offset(client: httpx.AsyncClient, api: ApiServer, path: str) -> None:
    """Any offset is the start of a page."""
    body = await get(client, path, offset=33, limit=SIZE)

    assert body["items"] == api.truth(path)[33:43]
    assert body.get("total") == (47 if path == "/lists/offset" else None)


async def test_a_cursor_leads_through_the_whole_list(client: httpx.AsyncClient, api: ApiServer) -> None:
    """The last answer has no next cursor and says that there is no more."""
    rows: Rows = []
    cursor, more, answers = "", True, 0
    while more:
        body = await get(client, "/lists/cursor", limit=SIZE, cursor=cursor)
        rows, cursor, more, answers = rows + body["items"], body["next_cursor"], body["has_more"], answers + 1

    assert (rows, cursor, answers) == (api.truth("/lists/cursor"), None, 5)


async def test_a_cursor_stands_on_the_row_and_not_on_the_position(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Deleting what was read already moves nothing: a keyset loses no row."""
    first = await get(client, "/lists/cursor", limit=SIZE)
    api.state.items.remove(3)

    second = await get(client, "/lists/cursor", limit=SIZE, cursor=first["next_cursor"])

    assert [row["id"] for row in second["items"]] == list(range(11, 21))


async def test_a_list_continues_after_the_last_id(client: httpx.AsyncClient, api: ApiServer) -> None:
    """`starting_after` is the keyset in the open; the last full page knows that it is the last."""
    rows: Rows = []
    more = True
    while more:
        body = await get(
            client, "/lists/cursor/starting-after", limit=SIZE, starting_after=rows[-1]["id"] if rows else 0
        )
        rows, more = rows + body["data"], body["has_more"]

    assert rows == api.truth("/lists/cursor/starting-after")


async def test_links_lead_through_the_whole_list(client: httpx.AsyncClient, api: ApiServer) -> None:
    """`next` is in every Link header but the last, `prev` in every one but the first."""
    answer = await client.get("/lists/link", params={"per_page": SIZE})
    assert "prev" not in answer.links
    rows: Rows = answer.json()
    while "next" in answer.links:
        answer = await client.get(answer.links["next"]["url"])
        rows += answer.json()

    assert rows == api.truth("/lists/link")
    assert (answer.links["prev"]["url"], answer.links["last"]["url"]) == (
        f"{api.url}/lists/link?per_page=10&page=4",
        f"{api.url}/lists/link?per_page=10&page=5",
    )


async def test_the_next_url_may_stand_in_the_body(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Absolute, with the parameters that the client had sent; null at the end."""
    rows: Rows = []
    url: str | None = "/lists/link/body?per_page=10&keep=this"
    while url:
        body = (await client.get(url)).json()
        rows, url = rows + body["items"], body["next"]
        assert url is None or "keep=this" in url

    assert rows == api.truth("/lists/link/body")


async def test_a_search_is_posted(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Paged by a token in the JSON body, and by numbers in it."""
    by_token: Rows = []
    after: str | None = None
    while True:
        body = (await client.post("/lists/search", json={"limit": SIZE, "after": after})).json()
        by_token += body["results"]
        if "paging" not in body:
            break
        after = body["paging"]["next"]["after"]
    pages = [(await client.post("/lists/search/page", json={"page": page, "size": SIZE})).json() for page in range(6)]

    assert by_token == api.truth("/lists/search")
    assert [row for body in pages for row in body["results"]] == by_token
    assert {body["total"] for body in pages} == {47}


async def test_a_graphql_connection_is_followed_by_its_cursor(client: httpx.AsyncClient, api: ApiServer) -> None:
    """`pageInfo` tells whether there is more, `totalCount` how much in all."""
    rows: Rows = []
    variables: dict[str, object] = {"first": SIZE}
    while True:
        body = (await client.post("/graphql", json={"query": "{items}", "variables": variables})).json()
        connection = body["data"]["items"]
        rows += connection["nodes"]
        if not connection["pageInfo"]["hasNextPage"]:
            break
        variables["after"] = connection["pageInfo"]["endCursor"]

    assert (rows, connection["totalCount"]) == (api.truth("/graphql"), 47)


async def test_graphql_fails_with_status_200(client: httpx.AsyncClient) -> None:
    """`errors` stand beside null data; a request without a query is 400."""
    failed = await client.post("/graphql", json={"query": "{items}", "variables": {"fail": True}})
    refused = await client.post("/graphql", json={"variables": {}})

    assert (failed.status_code, failed.json()["data"]) == (200, None)
    assert failed.json()["errors"][0]["message"] == "the resolver failed"
    assert refused.status_code == 400


async def test_the_same_rows_come_in_other_shapes(client: httpx.AsyncClient, api: ApiServer) -> None:
    """Whole, as columns, as arrays with names beside them, as a map, and in groups."""
    truth = api.truth("/lists/none")
    columns = (await get(client, "/lists/columns"))["columns"]
    table = await get(client, "/lists/rows")
    mapped = (await get(client, "/lists/map"))["items"]
    groups = (await get(client, "/lists/nested"))["groups"]

    assert (await get(client, "/lists/none"))["items"] == truth
    assert [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] == truth
    assert [dict(zip(table["names"], row, strict=True)) for row in table["rows"]] == truth
    assert [{"id": int(key)} | row for key, row in mapped.items()] == truth
    assert sorted(row["id"] for group in groups for row in group["items"]) == [row["id"] for row in truth]


@pytest.mark.parametrize(
    ("past_end", "status", "first_id"), [("empty", 200, None), ("404", 404, None), ("last", 200, 41), ("first", 200, 1)]
)
async def test_what_lies_beyond_the_last_page_is_a_matter_of_taste(
    client: httpx.AsyncClient, past_end: str, status: int, first_id: int | None
) -> None:
    """Empty, 404, the last page again, or the first."""
    answer = await client.get("/lists/number", params={"page": 9, "per_page": SIZE, "past_end": past_end})

    rows = answer.json().get("items") or [{"id": None}]
    assert (answer.status_code, rows[0]["id"]) == (status, first_id)


async def test_an_offset_too_deep_is_refused(client: httpx.AsyncClient) -> None:
    """With `depth=30` row 30 can be listed, and row 31 cannot."""
    fine = await client.get("/lists/offset", params={"offset": 20, "limit": 10, "depth": 30})
    deep = await client.get("/lists/offset", params={"offset": 21, "limit": 10, "depth": 30})

    assert (fine.status_code, deep.status_code) == (200, 400)
    assert deep.json()["error"]["message"] == "only the first 30 rows can be listed"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/auth/bearer/items", {"headers": {"Authorization": "Bearer open-sesame"}}),
        ("/auth/basic/items", {"auth": ("ali", "open-sesame")}),
        ("/auth/header/items", {"headers": {"X-Api-Key": "open-sesame"}}),
        ("/auth/query/items", {"params": {"api_key": "open-sesame"}}),
    ],
)
async def test_a_door_opens_with_its_own_credential_alone(
    client: httpx.AsyncClient, path: str, right: dict[str, Any]
) -> None:
    """401 without it, with a challenge; the answer with it is not kept for those who come without."""
    before = await client.get(path)
    inside = await client.get(path, **right)
    after = await client.get(path)

    assert [before.status_code, inside.status_code, after.status_code] == [401, 200, 401]
    assert "www-authenticate" in before.headers
    assert inside.json()["totalItems"] == 47


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/items?page=x", 400),
        ("/api/items?page=-1", 400),
        ("/api/items?pageSize=0", 400),
        ("/api/orders?updated_since=yesterday", 400),
        ("/lists/number?page=0", 400),
        ("/lists/cursor?cursor=bm9uc2Vuc2U=", 400),
        ("/lists/cursor?cursor=%21", 400),
        ("/lists/search", 405),
        ("/nowhere", 404),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(client: httpx.AsyncClient, target: str, status: int) -> None:
    """A 4xx with a message in JSON, never an empty list."""
    answer = await client.get(target)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_the_front_page_lists_what_there_is(client: httpx.AsyncClient) -> None:
    """Sizes, round, and every list."""
    body = await get(client, "/")

    assert body["shop"] == {"items": 47, "orders": 230, "customers": 25}
    assert "GET /lists/cursor" in body["lists"]
