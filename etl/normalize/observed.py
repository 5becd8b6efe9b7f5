"""The facts of a page that come from its items: counts, keys, digests, the range of its cursors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from etl.model.instants import Cursor
from etl.model.page import Row, SortedBy
from etl.model.window import Window
from etl.normalize.layout import key_text


def key_facts(texts: Sequence[bytes | None], body: bytes, *, has_key: bool) -> dict[str, Any]:
    """The members of PageFacts about keys; `texts` are the canonical keys of all items, None where unreadable."""
    if not has_key:
        return {"count": len(texts), "digest": blake2b(body, digest_size=8).digest()}
    digests = b"".join([key_digest(text) for text in texts if text is not None])
    first, last = (texts[0], texts[-1]) if texts else (None, None)
    return {
        "count": len(texts),
        "first_key": None if first is None else first.decode(),
        "last_key": None if last is None else last.decode(),
        "key_digests": digests,
        # Pages of nothing but rejects without a key must not look like one page that came twice.
        "digest": blake2b(digests if digests or not texts else body, digest_size=8).digest(),
    }


def key_digest(text: bytes) -> bytes:
    """8 bytes for a canonical key; the ledger keeps them until the reading is closed."""
    return blake2b(text, digest_size=8).digest()


def digest_of_key(key: Row) -> bytes:
    """The digest of a stored key: the same as of the item it came from."""
    return key_digest(key_text(key))


def cursor_facts(cursors: Sequence[Cursor | None], window: Window, upper_bound: Cursor | None) -> dict[str, Any]:
    """The members of PageFacts about cursors."""
    present = [cursor for cursor in cursors if cursor is not None]
    if not present:
        return {}
    low, high = min(present), max(present)
    facts: dict[str, Any] = {"min_cursor": low, "max_cursor": high}
    if upper_bound is not None and type(upper_bound) is type(high) and high > upper_bound:  # type: ignore[operator]
        facts["future_rows"] = sum(cursor > upper_bound for cursor in present)  # type: ignore[operator]
    if not (window.covers(low) and window.covers(high)):
        facts["outside_rows"] = sum(not window.covers(cursor) for cursor in present)
    return facts


def sorted_by(keys: Sequence[Row], cursors: Sequence[Cursor | None]) -> frozenset[SortedBy]:
    """The orders that the rows of a page are strictly in; all of them for a single row, none where keys are missing."""
    values = [key[0] for key in keys]
    found = set()
    try:
        found |= _ways(values, SortedBy.KEY, SortedBy.KEY_DOWN)
        if cursors and None not in cursors:
            found |= _ways(list(zip(cursors, values, strict=True)), SortedBy.CURSOR, SortedBy.CURSOR_DOWN)
    except TypeError:  # values that cannot be compared have no order that anybody could promise
        return frozenset()
    return frozenset(found)


def _ways(values: Sequence[Any], up: SortedBy, down: SortedBy) -> set[SortedBy]:
    rest = values[1:]
    found = {up} if all(map(operator.lt, values, rest)) else set()
    return found | {down} if all(map(operator.gt, values, rest)) else found


def order_fact(rows: Sequence[Row], places: Sequence[int], *, descending: bool) -> str:
    """Where rows stand against the declared order, as a line; empty when they do not.

    `places` are the columns of the order whose values may be compared; a row with a null there is passed over.
    """
    if len(places) == 1:
        values = [row[places[0]] for row in rows if row[places[0]] is not None]
    else:
        values = [key for key in (tuple(row[place] for place in places) for row in rows) if None not in key]
    stands = operator.ge if descending else operator.le
    try:
        if all(map(stands, values, values[1:])):
            return ""
        worst = next((one, two) for one, two in pairwise(values) if not stands(one, two))
    except TypeError:  # numbers that SQLite keeps as text beside numbers: nothing can be said
        return ""
    return f"{worst[1]!r} came after {worst[0]!r}"
