"""The headers of a request: what every request carries unless it is told otherwise, and what no header may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx

from etl import __version__

_DEFAULT_HEADERS: Final = {
    "user-agent": ("User-Agent", f"everypage/{__version__}"),
    # Anything rather than a 406: JSON:API servers offer application/vnd.api+json and nothing else.
    "accept": ("Accept", "application/json, */*;q=0.1"),
    "accept-encoding": ("Accept-Encoding", "gzip, identity"),
    "cache-control": ("Cache-Control", "no-cache"),
}


def encoded(headers: Sequence[tuple[str, str]]) -> httpx.Headers:
    """Raises ValueError for a value that would forge another header."""
    if any(sign in text for pair in headers for text in pair for sign in "\r\n\0"):
        raise ValueError("a line break in a header")
    return httpx.Headers([(name.encode(), value.encode()) for name, value in headers])


def with_defaults(given: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """The given headers, and the defaults they do not replace."""
    names = {name.lower() for name, _ in given}
    return [*(pair for name, pair in _DEFAULT_HEADERS.items() if name not in names), *given]
