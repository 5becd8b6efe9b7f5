"""A list that comes in one response."""

from __future__ import annotations

from collections.abc import Iterable

from etl.model.page import PageFacts, PageRequest
from etl.model.window import Window


class SinglePage:
    """The first page is the only one."""

    def first(self, window: Window) -> PageRequest:
        """The one request."""
        return PageRequest(window=window, position="first")

    def following(self, _request: PageRequest, _facts: PageFacts) -> Iterable[PageRequest]:
        """Nothing follows."""
        return ()
