"""WordPress: numbered pages with two totals in headers, and a 400 for the page after the last."""

from __future__ import annotations

import base64

import pytest

from etl.model.run import RunStatus
from etl.model.verdict import Verdict
from etl.testing.exchange import Answer, Call, Refusal, error, ok


class WordPress:
    """Exactly three full pages: whoever reads on until a page is empty meets the 400."""

    def __init__(self) -> None:
        self.posts = {
            n: {"id": n, "slug": f"post-{n}", "modified_gmt": f"2023-05-{1 + n % 28:02}T08:00:{n % 60:02}"}
            for n in range(1, 301)
        }

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Basic " + base64.b64encode(b"ada:app pass word").decode():
            return error(401, "rest_not_logged_in")
        query = call.query
        size, page = int(query["per_page"]), int(query["page"])
        rows = [row for _, row in sorted(self.posts.items()) if row["modified_gmt"] > query.get("modified_after", "")]
        pages = -(-len(rows) // size)
        if not 1 <= size <= 100 or (page > pages and page > 1):
            raise Refusal(answer=error(400, "rest_post_invalid_page_number"))
        totals = (("X-WP-Total", str(len(rows))), ("X-WP-TotalPages", str(pages)))
        return ok(rows[(page - 1) * size : page * size], *totals)


@pytest.mark.parametrize("clock", ["2023-06-01"], indirect=True)
async def test_the_example_holds_what_the_site_holds(project, agrees):
    """The declared order is proved; the last page is full, so the one after it is asked for, and its 400 is the end."""
    site = WordPress()
    secrets = {"WP_USER": "ada", "WP_APP_PASSWORD": "app pass word"}
    server = await project.example("wordpress", site, "https://${SITE}", **secrets)

    first = await project.sync("wordpress.posts")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 300)
    assert (first.verdict, server.statuses[400]) == (Verdict.VERIFIED, 1)
    agrees(project.table("wordpress_posts"), site.posts)

    site.posts[9] |= {"slug": "nine", "modified_gmt": "2023-05-31T09:00:00"}
    second = await project.sync("wordpress.posts")
    assert second.counts.updated == 1
    agrees(project.table("wordpress_posts"), site.posts)
