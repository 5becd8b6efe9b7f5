"""What every list has in common: reading numbers from a query, and joining encoded rows to a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl.testing.dataset import encode
from etl.testing.exchange import Answer, Headers, Refusal, error

PAGE_CAP = 100
"""No list gives more rows a page than this, whatever is asked for, and none of them says so."""


def whole_number(values: Mapping[str, object], name: str, default: int, *, least: int = 0) -> int:
    """A parameter as a number; raises Refusal (400) when it is none or below `least`."""
    raw = values.get(name, default)
    try:
        number = int(str(raw))
    except ValueError:
        raise Refusal(answer=error(400, f"{name} must be a whole number")) from None
    if number < least:
        raise Refusal(answer=error(400, f"{name} must be at least {least}"))
    return number


def page_size(values: Mapping[str, object], name: str, default: int = 10) -> int:
    """The size of a page, silently capped."""
    return min(whole_number(values, name, default, least=1), PAGE_CAP)


def listing(name: str, rows: Sequence[bytes], **facts: object) -> Answer:
    """`{"<name>": [rows], **facts}`, the rows being encoded already."""
    tail = encode(facts)[1:] if facts else b"}"
    comma = b"," if facts else b""
    body = b"".join((b'{"', name.encode(), b'":[', b",".join(rows), b"]", comma, tail))
    return Answer(body=body)


def bare_listing(rows: Sequence[bytes], headers: Headers = ()) -> Answer:
    """`[rows]`: the body is the array itself."""
    return Answer(body=b"[" + b",".join(rows) + b"]", headers=(("Content-Type", "application/json"), *headers))


def pages_of(rows: int, size: int) -> int:
    """How many pages of `size` hold the rows; 0 for none."""
    return -(-rows // size)
