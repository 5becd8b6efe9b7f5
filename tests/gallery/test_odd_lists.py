"""Ways to page that only some APIs have: an object merged into the next query, totals on HEAD, tokens in headers."""

from __future__ import annotations

from etl.model.run import RunStatus
from etl.model.verdict import Verdict
from etl.testing.exchange import Answer, Call, Refusal, error, ok

WIKI = """\
base_url: {url}
streams:
  pages:
    path: /w/api.php
    params: {{action: query, list: allpages, aplimit: 10, continue: ""}}
    records: query.allpages
    pages: {{merge: continue}}
    key: pageid
"""
KINTO = """\
base_url: {url}
streams:
  tasks:
    path: /records
    params: {{_since: "{{start}}", _limit: 20}}
    records: data
    pages: {{link: "header:Next-Page", total_rows: "head:Total-Records"}}
    key: id
    deletes: {{field: deleted}}
    incremental: {{token: "header:ETag", from: first}}
"""


class Wiki:
    """MediaWiki: `continue` holds one member or more, and all of them have to come back."""

    def __init__(self) -> None:
        self.pages = {n: {"pageid": n, "title": f"Page {n:03}"} for n in range(1, 38)}

    def answer(self, call: Call) -> Answer:
        query = call.query
        at = int(query.get("apcontinue", 0))
        if (at > 0) != (query["continue"] == "-||"):
            raise Refusal(answer=error(400, "badcontinue"))
        rows = [row for _, row in sorted(self.pages.items())][at : at + 10]
        more = {"continue": {"apcontinue": str(at + 10), "continue": "-||"}} if at + 10 < len(self.pages) else {}
        return ok({"query": {"allpages": rows}, **more})


class Kinto:
    """Newest first; the total stands in the answer to HEAD only, the state of the list in its ETag."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, object]] = {}
        self.gone: dict[str, dict[str, object]] = {}
        self.clock = 1000

    def put(self, name: str, text: str) -> None:
        self.clock += 1
        self.records[name] = {"id": name, "last_modified": self.clock, "text": text}

    def delete(self, name: str) -> None:
        self.clock += 1
        del self.records[name]
        self.gone[name] = {"id": name, "last_modified": self.clock, "deleted": True}

    def answer(self, call: Call) -> Answer:
        since = call.query.get("_since")
        known = [*self.records.values(), *(self.gone.values() if since else ())]
        rows = sorted(known, key=lambda row: -row["last_modified"])
        rows = [row for row in rows if row["last_modified"] > int((since or '"0"').strip('"'))]
        at, size = int(call.query.get("_token", 0)), int(call.query["_limit"])
        headers = [("ETag", f'"{self.clock}"')]
        if call.method == "HEAD":
            headers.append(("Total-Records", str(len(rows))))
        elif at + size < len(rows):
            query = "&".join(f"{k}={v.replace(chr(34), '%22')}" for k, v in call.query.items() if k != "_token")
            headers.append(("Next-Page", f"{call.base}{call.path}?{query}&_token={at + size}"))
        return ok({"data": rows[at : at + size]}, *headers)


async def test_the_members_of_an_object_lead_to_the_next_page(project, agrees):
    """The last answer has none of them."""
    wiki = Wiki()
    server = await project.serve(wiki)
    project.write("wiki", WIKI.format(url=server.url))

    result = await project.sync("wiki.pages")

    assert (result.status, result.verdict, result.counts.pages) == (RunStatus.SUCCEEDED, Verdict.CONSISTENT, 4)
    agrees(project.table("wiki_pages", "pageid"), wiki.pages)


async def test_a_total_on_head_and_a_token_in_a_header(project, agrees):
    """The first page's token counts: what changes while the list is read comes again."""
    kinto = Kinto()
    for number in range(50):
        kinto.put(f"r{number}", f"text {number}")
    server = await project.serve(kinto)
    project.write("kinto", KINTO.format(url=server.url))

    first = await project.sync("kinto.tasks")
    assert (first.status, first.watermark, first.counts.pages) == (RunStatus.SUCCEEDED, '"1050"', 3)
    assert first.reason.startswith("50 of 50")
    assert [call.method for call in server.calls].count("HEAD") == 1
    agrees(project.table("kinto_tasks"), kinto.records)

    kinto.put("r3", "changed")
    kinto.delete("r4")
    second = await project.sync("kinto.tasks")
    assert (second.counts.fetched, second.counts.updated, second.counts.deleted) == (2, 2, 1)
    agrees(
        {k: {n: v for n, v in r.items() if n != "deleted"} for k, r in project.table("kinto_tasks_live").items()},
        kinto.records,
    )
