"""A change feed: a list that is followed by a token of the API's instead of by a field of its items."""

from __future__ import annotations

from dataclasses import dataclass

from etl.model.selector import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A list whose watermark is an opaque token of the response, stored and sent back as it is.

    `of_first` takes the token of the first page, which lies before everything that changed while the list was read;
    else the last one that a page brought counts. `start` is where the first run begins, None for the whole list.
    """

    token: Selector
    of_first: bool = False
    start: str | None = None
