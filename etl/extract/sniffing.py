"""A stream that does not declare `pages`: one response is read, and refused when it looks like the first of many.

Automatic detection is liked for starts and has loaded one page in production for months; so nothing is guessed, and
the message holds the line to write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from etl.errors import DataRefused
from etl.model.page import Page
from etl.model.stream import Stream

_LINKS: Final = ("next", "next_url", "next_link", "nextLink", "@odata.nextLink", "next_page_url")
_CURSORS: Final = ("next_cursor", "nextCursor", "next_token", "nextToken", "nextPageToken", "next_page_token", "cursor")
_MORE: Final = ("has_more", "hasMore", "has_next", "hasNextPage")
_TOTALS: Final = ("total", "count", "total_count", "totalCount", "totalItems", "total_items", "numFound", "nbHits")
_LONGEST_TOTAL: Final = 20
"""Digits; Python refuses to read numbers of thousands of them, and no list has as many rows."""
_ROUND: Final = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000})


def refuse_if_paged(stream: Stream, page: Page) -> None:
    """Raises DataRefused with the line to add when the response looks like a page of a longer list."""
    found = _sign(page)
    if found is not None:
        sign, line = found
        raise DataRefused(
            f"{stream.id}: the answer looks like the first page of a longer list: {sign}",
            why="`pages` is not declared, and guessing would lose rows silently",
            hint=f"write {line} (or pages: none if this really is all) in {stream.file or 'its file'}",
            data="this page is not stored",
        )


def _sign(page: Page) -> tuple[str, str] | None:
    """What was found, and the line that goes with it."""
    if "next" in page.response.links:
        return "a Link header with rel=next", "pages: link"
    for prefix, level in _levels(_tree(page.response.body)):
        found = _chain_sign(prefix, level) or _total_sign(prefix, level, page.facts.count)
        if found is not None:
            return found
    if page.facts.count in _ROUND:
        return f"exactly {page.facts.count} rows came", "how the API pages"
    return None


def _tree(body: bytes) -> object:
    """The body the decoder took for a page; None where it is nested too deeply to be looked at."""
    try:
        return json.loads(body, parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_TOTAL else 0)
    except RecursionError:
        return None


def _chain_sign(prefix: str, level: Mapping[str, object]) -> tuple[str, str] | None:
    for name in _LINKS:
        if isinstance(level.get(name), str) and level[name]:
            return f"{prefix}{name} holds a link", f"pages: {{link: {prefix}{name}}}"
    for name in _CURSORS:
        if level.get(name):
            return f"{prefix}{name} holds a cursor", f"pages: {{cursor: {prefix}{name}}}, and {{cursor}} in params"
    for name in _MORE:
        if level.get(name) is True:
            return f"{prefix}{name} is true", f"pages: {{..., while: {prefix}{name}}}"
    return None


def _total_sign(prefix: str, level: Mapping[str, object], count: int) -> tuple[str, str] | None:
    for name in _TOTALS:
        total = level.get(name)
        if isinstance(total, int) and not isinstance(total, bool) and total > count:
            return (
                f"{prefix}{name} tells {total:,} rows, {count:,} came",
                f"pages: {{number: 1, total_rows: {prefix}{name}}}, and {{page}} in params",
            )
    return None


def _levels(body: object) -> list[tuple[str, Mapping[str, object]]]:
    """The body's own members, and those of the objects one level below: `meta.next`, `paging.cursor`."""
    if not isinstance(body, dict):
        return []
    below = [(f"{name}.", member) for name, member in body.items() if isinstance(member, dict)]
    return [("", body), *below]
