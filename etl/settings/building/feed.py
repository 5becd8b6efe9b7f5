"""A change feed: `incremental: {token: ...}` as `model.stream.Feed`."""

from __future__ import annotations

from typing import Final

from etl.model.feed import Feed
from etl.settings.building.desk import Texts
from etl.settings.format.pages import PagesPart
from etl.settings.format.stream import StreamPart

_OF_FIELDS: Final = ("field", "format", "step", "overlap", "lag", "delay", "inclusive")


def build_feed(part: StreamPart, texts: Texts) -> Feed | None:
    """None where the watermark is no token."""
    incremental = part.incremental
    if incremental is None or incremental.token is None:
        return None
    for key in _OF_FIELDS:
        if getattr(incremental, key) is not None:
            why = "a token is neither compared nor reckoned with"
            texts.problem(("incremental", key), f"belongs to `field`, not to `token`: {why}", at_key=True)
    numbered = isinstance(part.pages, PagesPart) and (part.pages.number is not None or part.pages.offset is not None)
    if numbered and incremental.from_ == "last":
        why = "pages are asked for side by side, so what changed meanwhile would be passed over"
        texts.problem(("incremental", "from"), f"should be `first`: {why}")
    of_first = incremental.from_ == "first" or (numbered and incremental.from_ is None)
    start = None if incremental.start is None else str(incremental.start)
    return Feed(token=incremental.token, of_first=of_first, start=start)
