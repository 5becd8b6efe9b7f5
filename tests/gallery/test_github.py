"""GitHub: links with opaque positions, 422 at deep page numbers, a rate limit told by 403, two repositories."""

from __future__ import annotations

import pytest

from etl.bootstrap import open_app
from etl.model.run import RunStatus
from etl.service.inspect import run
from etl.testing.exchange import Answer, Call, Refusal, error, ok

DEEPEST = 200


class GitHub:
    """Issues and comments of two repositories, sorted by their last change."""

    def __init__(self) -> None:
        self.lists = {
            f"/repos/{repo}/{kind}": {
                base + n: {
                    "id": base + n,
                    "number": n,
                    "title": f"{kind} {n} of {repo}",
                    "updated_at": f"2024-03-{1 + n % 28:02}T10:{n % 60:02}:00Z",
                }
                for n in range(count)
            }
            for base, repo, kind, count in (
                (1000, "pallets/flask", "issues", 330),
                (2000, "pallets/flask", "issues/comments", 40),
                (3000, "encode/httpx", "issues", 7),
                (4000, "encode/httpx", "issues/comments", 0),
            )
        }
        self.tired = 1

    def truth(self, kind: str) -> dict[int, dict[str, object]]:
        return {key: row for path, rows in self.lists.items() if path.endswith(kind) for key, row in rows.items()}

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Bearer gh-token-1234":
            return error(401, "Bad credentials")
        if self.tired:
            self.tired -= 1
            used_up = (("X-RateLimit-Remaining", "0"), ("Retry-After", "1"))
            return error(403, "You have exceeded a secondary rate limit", *used_up)
        rows = sorted(self.lists[call.path].values(), key=lambda row: (row["updated_at"], row["id"]))
        rows = [row for row in rows if row["updated_at"] >= call.query.get("since", "")]
        return self._page(call, rows)

    def _page(self, call: Call, rows: list[dict[str, object]]) -> Answer:
        size, page = min(int(call.query.get("per_page", 30)), 100), int(call.query.get("page", 1))
        if "after" not in call.query and size * page > DEEPEST:
            raise Refusal(answer=error(422, "use cursor based pagination (after/before)"))
        at = int(call.query.get("after", size * (page - 1)))
        if at + size >= len(rows):
            return ok(rows[at : at + size])
        query = "&".join(f"{k}={v.replace(':', '%3A')}" for k, v in call.query.items() if k not in ("page", "after"))
        url = f"{call.base}{call.path}?{query}"
        links = f'<{url}&page={page + 1}&after={at + size}>; rel="next", <{url}&page=4>; rel="last"'
        return ok(rows[at : at + size], ("Link", links))


async def members_of(project, run_id: str, stream: str) -> list[tuple[object, ...]]:
    """As `etl runs show` tells them."""
    async with open_app(project.config, project.database_url, project.environ, lambda _: None) as app:
        lines = (await run(app, run_id)).members
    return [(line.member, line.verdict, line.pages, line.rows) for line in lines if line.stream == stream]


@pytest.mark.parametrize("clock", ["2024-04-01"], indirect=True)
async def test_the_example_holds_what_github_holds(either_project, agrees):
    """Both lists of both repositories; afterwards only what changed."""
    project, github = either_project, GitHub()
    await project.example("github", github, "https://api.github.com", GITHUB_TOKEN="gh-token-1234")

    first = await project.run()
    assert {stream.status for stream in first.streams} == {RunStatus.SUCCEEDED}
    agrees(project.table("github_issues"), github.truth("/issues"))
    agrees(project.table("github_comments"), github.truth("/comments"))

    assert await members_of(project, first.run_id, "github.issues") == [
        ("encode/httpx", "consistent", 1, 7),
        ("pallets/flask", "consistent", 4, 330),
    ]

    github.lists["/repos/encode/httpx/issues"][3001] |= {"title": "changed", "updated_at": "2024-03-31T23:00:00Z"}
    second = await project.sync("github.issues")
    assert (second.counts.updated, second.counts.inserted) == (1, 0)
    assert second.counts.fetched < 40
    agrees(project.table("github_issues"), github.truth("/issues"))
