"""One list for each kind of pagination, all over the shop's items in the order of their ids, under `/lists/`.

| path | how it is paged | what tells the end |
| --- | --- | --- |
| `/lists/none` | not at all, `ETag` and 304 | one answer holds everything |
| `/lists/number` | `page` from 1, `per_page` | `total` and `total_pages` in the body |
| `/lists/number/header` | the same, the body is an array | `X-Total-Count` |
| `/lists/number/untold` | the same | an empty page |
| `/lists/offset`, `.../header`, `.../untold` | `offset`, `limit` | the same three ways |
| `/lists/cursor` | `cursor` (a token over the last id), `limit` | `next_cursor` is null, `has_more` is false |
| `/lists/cursor/starting-after` | `starting_after=<last id>`, `limit` | `has_more` is false |
| `/lists/link` | the Link header | no `rel="next"` |
| `/lists/link/body` | `next`, a URL in the body | it is null |

The numbered ones take `past_end=empty|404|last|first`, the ones by offset `depth=N`: what lies deeper is refused (400).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from urllib.parse import urlencode

from etl.testing.exchange import Answer, Call, Headers, Refusal, error
from etl.testing.pieces import bare_listing, listing, page_size, pages_of, whole_number
from etl.testing.state import ShopState


def none(state: ShopState, call: Call) -> Answer:
    """Every item in one answer, with its ETag; 304 to who has it already."""
    answer = listing("items", state.items.part(0, len(state.items)))
    tag = ("ETag", f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"')
    if call.headers.get("if-none-match") == tag[1]:
        return Answer(status=304, headers=(tag,))
    return replace(answer, headers=(*answer.headers, tag))


def number(state: ShopState, call: Call) -> Answer:
    """Pages from 1, the total in the body."""
    page, size, rows = _numbered(state, call)
    total = len(state.items)
    return listing("items", rows, page=page, per_page=size, total=total, total_pages=pages_of(total, size))


def number_header(state: ShopState, call: Call) -> Answer:
    """Pages from 1, the body is the array, the total stands in a header."""
    return bare_listing(_numbered(state, call)[2], _total_header(state))


def number_untold(state: ShopState, call: Call) -> Answer:
    """Pages from 1, and nothing tells how many."""
    return listing("items", _numbered(state, call)[2])


def offset(state: ShopState, call: Call) -> Answer:
    """Rows from `offset` on, the total in the body."""
    start, size, rows = _from_offset(state, call)
    return listing("items", rows, offset=start, limit=size, total=len(state.items))


def offset_header(state: ShopState, call: Call) -> Answer:
    """Rows from `offset` on, the body is the array, the total stands in a header."""
    return bare_listing(_from_offset(state, call)[2], _total_header(state))


def offset_untold(state: ShopState, call: Call) -> Answer:
    """Rows from `offset` on, and nothing tells how many."""
    return listing("items", _from_offset(state, call)[2])


def cursor(state: ShopState, call: Call) -> Answer:
    """A keyset behind an opaque token. A token that this list did not give is answered 400."""
    size = page_size(call.query, "limit")
    after = read_token(call.query["cursor"]) if call.query.get("cursor") else 0
    rows, last = after_id(state, after, size)
    return listing("items", rows, next_cursor=None if last is None else token(last), has_more=last is not None)


def starting_after(state: ShopState, call: Call) -> Answer:
    """A keyset in the open: the next page starts after the last row's id."""
    size = page_size(call.query, "limit")
    rows, last = after_id(state, whole_number(call.query, "starting_after", 0), size)
    return listing("data", rows, has_more=last is not None)


def link(state: ShopState, call: Call) -> Answer:
    """The body is the array; the Link header names first, previous, next and last page."""
    page, size, rows = _numbered(state, call)
    last = max(pages_of(len(state.items), size), 1)
    targets = [("first", 1), ("last", last)]
    targets += [("prev", page - 1)] if page > 1 else []
    targets += [("next", page + 1)] if page < last else []
    value = ", ".join(f'<{_url(call, page=to, per_page=size)}>; rel="{rel}"' for rel, to in targets)
    return bare_listing(rows, (("Link", value),))


def link_body(state: ShopState, call: Call) -> Answer:
    """`next` holds the URL of the next page, null on the last."""
    page, size, rows = _numbered(state, call)
    more = page < pages_of(len(state.items), size)
    return listing("items", rows, next=_url(call, page=page + 1, per_page=size) if more else None)


def after_id(state: ShopState, after: int, size: int) -> tuple[list[bytes], int | None]:
    """The rows after an id, and the last of their ids; None in its place when no row follows."""
    start = state.items.position_from((0, after + 1))
    ids = state.items.part_ids(start, start + size)
    more = start + size < len(state.items)
    return state.items.part(start, start + size), ids[-1] if more else None


def token(number: int) -> str:
    """The opaque spelling of an id."""
    return base64.urlsafe_b64encode(f"after:{number}".encode()).decode()


def read_token(text: str) -> int:
    """The id behind a token; raises Refusal (400) when it is none of ours."""
    try:
        name, _, number = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
        if name == "after":
            return int(number)
    except ValueError:
        pass
    raise Refusal(answer=error(400, "this cursor is not one of ours"))


def _numbered(state: ShopState, call: Call) -> tuple[int, int, list[bytes]]:
    page, size = whole_number(call.query, "page", 1, least=1), page_size(call.query, "per_page")
    last = max(pages_of(len(state.items), size), 1)
    if page > last:
        page = _past_end(call.query.get("past_end", "empty"), page, last)
    return page, size, state.items.part((page - 1) * size, page * size)


def _past_end(habit: str, page: int, last: int) -> int:
    if habit == "404":
        raise Refusal(answer=error(404, "this page is beyond the last"))
    return {"last": last, "first": 1}.get(habit, page)


def _from_offset(state: ShopState, call: Call) -> tuple[int, int, list[bytes]]:
    start, size = whole_number(call.query, "offset", 0), page_size(call.query, "limit")
    depth = whole_number(call.query, "depth", 0)
    if depth and start + size > depth:
        raise Refusal(answer=error(400, f"only the first {depth} rows can be listed"))
    return start, size, state.items.part(start, start + size)


def _total_header(state: ShopState) -> Headers:
    return (("X-Total-Count", str(len(state.items))),)


def _url(call: Call, **changes: int) -> str:
    values = dict(call.query) | {name: str(value) for name, value in changes.items()}
    return f"{call.base}{call.path}?{urlencode(values)}"
