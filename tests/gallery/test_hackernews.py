"""Hacker News: a little language for filters, pages from zero, and never more than 1,000 rows of one query."""

from __future__ import annotations

import re

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, ok

YEAR_2024 = 1_704_067_200


class HackerNews:
    """A busy night: 1,700 stories in one window of twelve hours, few in the others."""

    def __init__(self) -> None:
        times = [YEAR_2024 + 20 * n for n in range(1700)] + [YEAR_2024 + 43_200 + 3600 * n for n in range(24)]
        self.stories = {
            str(n): {"objectID": str(n), "title": f"story {n}", "points": n % 90, "created_at_i": at}
            for n, at in enumerate(times)
        }

    def answer(self, call: Call) -> Answer:
        low, high = re.fullmatch(r"created_at_i>=(\d+),created_at_i<(\d+)", call.query["numericFilters"]).groups()
        size, page = min(int(call.query["hitsPerPage"]), 1000), int(call.query["page"])
        rows = sorted(self.stories.values(), key=lambda row: -row["created_at_i"])
        rows = [row for row in rows if int(low) <= row["created_at_i"] < int(high)]
        hits = rows[:1000][page * size : (page + 1) * size]
        pages = -(-min(len(rows), 1000) // size)
        return ok({"hits": hits, "nbHits": len(rows), "nbPages": pages, "page": page, "hitsPerPage": size})


@pytest.mark.parametrize("clock", ["2024-01-02T12:00:00"], indirect=True)
async def test_the_example_holds_what_the_search_holds(project, agrees):
    """The full window is cut in halves; later runs refresh the points of two days."""
    news = HackerNews()
    await project.example("hackernews", news, "https://hn.algolia.com")

    first = await project.sync("hackernews.stories")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 1724)
    agrees(project.table("hackernews_stories", "objectID"), news.stories)

    news.stories["1720"]["points"] = 777
    assert (await project.sync("hackernews.stories")).counts.updated == 1
    agrees(project.table("hackernews_stories", "objectID"), news.stories)
