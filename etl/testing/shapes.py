"""The items again, in bodies that are no array of objects, and behind requests that are no GET.

| path | shape |
| --- | --- |
| `POST /lists/search` | JSON body `{"limit": 10, "after": token}`; `results`, `total`, `paging.next.after` |
| `POST /lists/search/page` | JSON body `{"page": 0, "size": 10}`; `results`, `total` |
| `POST /graphql` | a connection: `data.items.nodes`, `.pageInfo`, `.totalCount`; variables `first`, `after` |
| `/lists/columns` | `{"columns": {"id": [...], "title": [...]}}` |
| `/lists/rows` | `{"names": ["id", ...], "rows": [[1, ...], ...]}` |
| `/lists/map` | `{"items": {"1": {...}}}`: the id is the key, and missing in the row |
| `/lists/nested` | `{"groups": [{"status": "draft", "items": [...]}]}` |

GraphQL answers errors with status 200; ask for one with the variable `"fail": true`.
"""

from __future__ import annotations

from collections.abc import Mapping

from etl.testing.dataset import encode
from etl.testing.exchange import Answer, Call, error, ok
from etl.testing.lists import after_id, read_token, token
from etl.testing.pieces import listing, page_size, whole_number
from etl.testing.rows import Row
from etl.testing.state import ShopState


def search(state: ShopState, call: Call) -> Answer:
    """A search by POST, paged by a token in the body."""
    rows, last = after_id(state, _after(call.json), page_size(call.json, "limit"))
    facts: dict[str, object] = {"total": len(state.items)}
    if last is not None:
        facts["paging"] = {"next": {"after": token(last)}}
    return listing("results", rows, **facts)


def search_page(state: ShopState, call: Call) -> Answer:
    """A search by POST, paged by numbers in the body, from 0."""
    page, size = whole_number(call.json, "page", 0), page_size(call.json, "size")
    return listing("results", state.items.part(page * size, (page + 1) * size), total=len(state.items))


def graphql(state: ShopState, call: Call) -> Answer:
    """A Relay-like connection. The text of the query is not read, only its variables."""
    if "query" not in call.json:
        return error(400, "send a JSON object with query and variables")
    variables = call.json.get("variables")
    values: Mapping[str, object] = variables if isinstance(variables, dict) else {}
    if values.get("fail"):
        return ok({"data": None, "errors": [{"message": "the resolver failed", "path": ["items"]}]})
    rows, last = after_id(state, _after(values), page_size(values, "first"))
    end = None if last is None else token(last)
    facts = encode({"pageInfo": {"hasNextPage": last is not None, "endCursor": end}, "totalCount": len(state.items)})
    body = b'{"data":{"items":{"nodes":[' + b",".join(rows) + b"]," + facts[1:] + b"}}"
    return Answer(body=body)


def columns(state: ShopState, _call: Call) -> Answer:
    """Parallel arrays, one for each field."""
    rows = state.items.rows()
    return ok({"columns": {name: [row[name] for row in rows] for name in _names(rows)}})


def rows(state: ShopState, _call: Call) -> Answer:
    """Arrays without names, and the names beside them."""
    items = state.items.rows()
    names = _names(items)
    return ok({"names": names, "rows": [[row[name] for name in names] for row in items]})


def mapped(state: ShopState, _call: Call) -> Answer:
    """An object whose members are the rows."""
    items = state.items.rows()
    return ok({"items": {str(row["id"]): {k: v for k, v in row.items() if k != "id"} for row in items}})


def nested(state: ShopState, _call: Call) -> Answer:
    """The rows in groups by their status."""
    groups: dict[object, list[Row]] = {}
    for row in state.items.rows():
        groups.setdefault(row["status"], []).append(row)
    return ok({"groups": [{"status": status, "items": members} for status, members in groups.items()]})


def _names(rows: list[Row]) -> list[str]:
    return list(rows[0]) if rows else []


def _after(values: Mapping[str, object]) -> int:
    after = values.get("after")
    return read_token(str(after)) if after else 0
