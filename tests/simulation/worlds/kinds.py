"""The kinds of streams a world can hold: how each is configured, and what may truly happen to its list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from worlds.model import Item, Nature


def by_id(item: Item) -> Any:
    return item["id"]


def by_change(item: Item) -> Any:
    """By stamp; within one stamp in the order of commits, so that new ones come last."""
    return (item["updated_at"] or "", item["v"])


def by_stamp(item: Item) -> Any:
    """By stamp, then by key."""
    return (item["updated_at"] or "", item["id"])


def unsorted(item: Item) -> Any:
    """An order nobody declared: by name."""
    return (item["name"], item["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`stream` is YAML without what a world draws: `size`, `lag`, and the scope of the list.

    `tells_end`: the list ends by more than a short page. `infers`: deletes are inferred. `incremental`: it has a
    watermark. `windowed`: it is read in closed windows.
    """

    name: str
    params: str
    pages: str
    order: str = ""
    rest: str = ""
    sort: Callable[[Item], Any] = by_id
    chain: str = ""
    nature: Nature = field(default_factory=Nature)
    proved: bool = False
    incremental: bool = False
    windowed: bool = False
    infers: bool = False
    keyed_by_change: bool = False
    told: bool = True
    lies: bool = False
    short: bool = False

    def yaml(self, *, size: int, lag: str, scope: str, retries: int, concurrency: int, step: str) -> str:
        """The source's file."""
        since = ", start: '2026-01-01T08:00:00Z'" if self.windowed and step else ""
        incremental = (
            f"\n    incremental: {{field: updated_at, format: iso, lag: {lag}{since}{step}}}"
            if self.incremental
            else ""
        )
        order = f"\n    order: {{{self.order}}}" if self.order else ""
        rest = f"\n    {self.rest}" if self.rest else ""
        return f"""\
base_url: http://world.test
limits: {{retries: {retries}, timeout: 20s, concurrency: {concurrency}}}
streams:
  rows:
    path: /rows
    params: {{{self.params}, scope: {scope}}}
    records: data
    pages: {self.pages.replace("SIZE", str(size))}
    key: id
    columns: {{v: bigint, amount: bigint, rate: double, on: boolean, name: text, tags: json, updated_at: timestamp}}
    expect: {{max_reject_share: 1}}{incremental}{order}{rest}
"""


OFFSET = 'offset: "{offset}", limit: "{size}"'
NUMBER = 'page: "{page}", limit: "{size}"'
AFTER = 'after: "{cursor}", limit: "{size}"'
SINCE = ', since: "{start}"'
BETWEEN = ', since: "{start}", until: "{end}"'
BY_ID = "by: id, immutable: true, unique: true"
FREE = Nature()
TAIL = Nature(tail_only=True)
LATE = Nature(late_s=200, skew_s=30)
DATED = Nature(late_s=200, skew_s=30, nulls=False)
CHANGES = Nature(tail_only=True, future=False, nulls=False)
INFER = "deletes: infer"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="offset", params=OFFSET, pages="{offset: 0, size: SIZE, total_rows: total}", order=BY_ID, proved=True
        ),
        Kind(
            name="offset-untold", params=OFFSET, pages="{offset: 0, size: SIZE}", order=BY_ID, proved=True, told=False
        ),
        Kind(
            name="offset-lied",
            params=OFFSET,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            proved=True,
            lies=True,
        ),
        Kind(
            name="number-append",
            params=NUMBER,
            pages="{number: 1, size: SIZE, total_rows: total}",
            order="by: id, append_only: true",
            nature=TAIL,
            proved=True,
        ),
        Kind(
            name="offset-append",
            params=OFFSET,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order="by: id, append_only: true",
            nature=TAIL,
            proved=True,
        ),
        Kind(
            name="number-probes",
            params=NUMBER,
            pages="{number: 1, size: SIZE, total_rows: total}",
            order=BY_ID,
            proved=True,
        ),
        Kind(name="number", params=NUMBER, pages="{number: 1, size: SIZE, total_rows: total}", sort=unsorted),
        Kind(name="number-untold", params=NUMBER, pages="{number: 1, size: SIZE}", sort=unsorted, told=False),
        Kind(
            name="keyset",
            params=AFTER,
            pages='{cursor: "data[-1].id", size: SIZE, while: more}',
            order=BY_ID,
            chain="keyset",
            proved=True,
            short=True,
        ),
        Kind(
            name="keyset-empty",
            params=AFTER,
            pages='{cursor: "data[-1].id", size: SIZE}',
            order=BY_ID,
            chain="keyset",
            proved=True,
            short=True,
        ),
        Kind(
            name="opaque", params=AFTER, pages="{cursor: next, size: SIZE}", chain="opaque", sort=unsorted, short=True
        ),
        Kind(name="link", params='limit: "{size}"', pages="{link: link, size: SIZE}", chain="keyset", short=True),
        Kind(name="single", params='limit: "100000"', pages="none"),
        Kind(
            name="offset-since",
            params=OFFSET + SINCE,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            nature=LATE,
            proved=True,
            incremental=True,
        ),
        Kind(
            name="keyset-since",
            params=AFTER + SINCE,
            pages='{cursor: "data[-1].id", size: SIZE, while: more}',
            order=BY_ID,
            chain="keyset",
            nature=LATE,
            proved=True,
            incremental=True,
            short=True,
        ),
        Kind(
            name="changes",
            params=NUMBER + SINCE,
            pages="{number: 1, size: SIZE, total_rows: total}",
            order="by: updated_at, append_only: true",
            sort=by_change,
            nature=CHANGES,
            proved=True,
            incremental=True,
            keyed_by_change=True,
        ),
        Kind(
            name="number-since",
            params=NUMBER + SINCE,
            pages="{number: 1, size: SIZE, total_rows: total}",
            sort=unsorted,
            nature=LATE,
            incremental=True,
        ),
        Kind(
            name="windows",
            params=OFFSET + BETWEEN,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            nature=DATED,
            proved=True,
            incremental=True,
            windowed=True,
        ),
        Kind(
            name="windows-number",
            params=NUMBER + BETWEEN,
            pages="{number: 1, size: SIZE, total_rows: total}",
            sort=unsorted,
            nature=DATED,
            incremental=True,
            windowed=True,
        ),
        Kind(
            name="windows-closed",
            params=NUMBER + BETWEEN,
            pages="{number: 1, size: SIZE, total_rows: total}",
            order="by: [updated_at, id], unique: true",
            sort=by_stamp,
            nature=DATED,
            proved=True,
            incremental=True,
            windowed=True,
        ),
        Kind(
            name="whole-then-filtered",
            params=OFFSET,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            nature=LATE,
            proved=True,
            incremental=True,
        ),
        Kind(
            name="infer-offset",
            params=OFFSET,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            rest=INFER,
            proved=True,
            infers=True,
        ),
        Kind(
            name="infer-append",
            params=NUMBER,
            pages="{number: 1, size: SIZE, total_rows: total}",
            order="by: id, append_only: true",
            rest=INFER,
            nature=TAIL,
            proved=True,
            infers=True,
        ),
        Kind(
            name="infer-keyset",
            params=AFTER,
            pages='{cursor: "data[-1].id", size: SIZE, while: more}',
            order=BY_ID,
            rest=INFER,
            chain="keyset",
            proved=True,
            infers=True,
            short=True,
        ),
        Kind(
            name="infer-number",
            params=NUMBER,
            pages="{number: 1, size: SIZE, total_rows: total}",
            sort=unsorted,
            rest=INFER,
            infers=True,
        ),
        Kind(
            name="infer-since",
            params=OFFSET + SINCE,
            pages="{offset: 0, size: SIZE, total_rows: total}",
            order=BY_ID,
            rest=INFER,
            nature=LATE,
            proved=True,
            incremental=True,
            infers=True,
        ),
    )
}
