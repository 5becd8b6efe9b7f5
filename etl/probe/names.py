"""What APIs call the things of paging. A name only orders the experiments; none of them decides anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PAGE: Final = ("page", "_page", "page[number]", "pageNumber", "page_number", "p", "pageNo", "paged")
OFFSET: Final = ("offset", "skip", "_start", "start", "startAt", "page[offset]", "$skip", "startIndex", "from")
SIZE: Final = (
    "limit", "per_page", "page_size", "pageSize", "size", "_limit", "perPage", "_per_page", "page[size]",
    "maxResults", "page[limit]", "count", "rows", "$top", "hitsPerPage", "_size", "take", "max_results",
)  # fmt: skip
CURSOR: Final = (
    "cursor", "page_token", "pageToken", "after", "next_token", "nextToken", "continuation", "marker", "page_info",
    "starting_after", "start_key", "bookmark", "scroll_id", "_next",
)  # fmt: skip
AFTER_ID: Final = ("starting_after", "after", "after_id", "since_id", "cursor", "last_id", "min_id", "startAfter")
"""How a list is continued behind the last row's id."""
SORT: Final = ("sort", "ordering", "order_by", "sort_by", "_sort", "orderBy", "sortBy", "orderby", "order")

LISTS: Final = (
    "data", "results", "items", "records", "rows", "hits", "values", "value", "docs", "entries", "objects", "list",
    "elements", "content", "edges", "nodes", "features",
)  # fmt: skip
NO_LISTS: Final = frozenset({
    "errors", "warnings", "messages", "included", "links", "facets", "aggregations", "suggestions", "columns",
    "schema", "fields", "primarykeys", "units", "expandedcolumns", "foreignkeytables", "suggestedfacets",
})  # fmt: skip
IDS: Final = ("id", "uuid", "guid", "_id", "key", "objectid", "sha", "number", "code", "slug", "name", "url", "href")

_NOTHING: Final = re.compile(r"[^a-z0-9]")


def squashed(name: str) -> str:
    """`page[size]`, `pageSize` and `page_size` as one word."""
    return _NOTHING.sub("", name.lower())


_PAGE: Final = frozenset(map(squashed, (*PAGE, "currentPage", "pageIndex", "page_index", "pagenum")))
_OFFSET: Final = frozenset(map(squashed, (*OFFSET, "firstResult", "startRow", "skipCount")))
_SIZE: Final = frozenset(map(squashed, (*SIZE, "pageLimit", "resultsPerPage", "itemsPerPage", "first")))
_CURSOR: Final = frozenset(map(squashed, (*CURSOR, "pageAfter", "nextCursor", "nextPageToken", "continuationToken")))


def is_page(name: str) -> bool:
    """Whether a parameter or a member of the answer looks like the number of a page."""
    return squashed(name) in _PAGE


def is_offset(name: str) -> bool:
    """Whether it looks like a number of rows to skip."""
    return squashed(name) in _OFFSET


def is_size(name: str) -> bool:
    """Whether it looks like the number of rows a page may hold."""
    return squashed(name) in _SIZE


def is_cursor(name: str) -> bool:
    """Whether it looks like an opaque place in a list."""
    return squashed(name) in _CURSOR


def of_style(names: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """The names, those written like a paging parameter of the request first: `_page` goes with `_per_page`."""
    known = [name for name in given if is_page(name) or is_offset(name)]
    signs = {
        sign for sign in ("_", "[", "$") for name in known if name.startswith(sign) or (sign == "[" and sign in name)
    }
    return tuple(sorted(names, key=lambda name: not any(name.startswith(s) or (s == "[" and s in name) for s in signs)))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order of their first appearance."""
    return tuple(dict.fromkeys(names))
