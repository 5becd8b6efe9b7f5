"""Numbers that tell how long a list is, in the body or in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from etl.probe.names import squashed
from etl.probe.paths import objects, value_at, written
from etl.probe.question import Seen
from etl.probe.rows import Place

_ROWS: Final = re.compile(
    r"total|count|totalcount|totalitems|totalrows|totalrecords|totalresults|totalelements|totalhits|totalsize|numfound"
    r"|nbhits|itemcount|recordcount|resultcount|resultscount|rowcount|filteredtablerowscount|totalnumber|items"
    r"|records|hits|total[a-z]*|[a-z]*totalcount"
)
_PAGES: Final = re.compile(r"totalpages|pages|pagecount|nbpages|numpages|lastpage|pagestotal|totalpagecount|last")
_HEADERS: Final = (
    "x-total-count", "x-total", "total-count", "x-wp-total", "x-total-results", "total-records", "x-count",
    "x-pagination-total-count", "total",
)  # fmt: skip
_PAGE_HEADERS: Final = ("x-total-pages", "x-wp-totalpages", "x-page-count", "x-pagination-page-count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A number of the answer with the selector that reads it, and the words for its evidence."""

    selector: str
    value: int

    @property
    def words(self) -> str:
        """As the screen shows it."""
        return f"{self.selector} = {self.value:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many rows and pages the answer tells; None where it tells none."""

    rows: Told | None = None
    pages: Told | None = None


def find_totals(seen: Seen, place: Place, count: int) -> Totals:
    """The totals of an answer that brought `count` rows.

    A number equal to `count` is the page's own size as likely as the list's, so it loses against any larger one.
    """
    rows = sorted(
        (told for told in _told(seen, place, _ROWS, _HEADERS) if told.value >= count),
        key=lambda told: (told.value == count, "total" not in told.selector.lower(), told.selector.count(".")),
    )
    found = rows[0] if rows else None
    pages = [
        told
        for told in _told(seen, place, _PAGES, _PAGE_HEADERS)
        if count and found is not None and told.value == -(-found.value // count)
    ]
    return Totals(rows=found, pages=next((told for told in pages if told != found), None))


def _told(seen: Seen, place: Place, names: re.Pattern[str], headers: tuple[str, ...]) -> Iterator[Told]:
    for name in headers:
        value = seen.headers.get(name, "").strip()
        if value.isdecimal() and len(value) < 16:
            yield Told(selector=f"header:{_header(name)}", value=int(value))
    rows_at = place.path
    for path, level in objects(seen.body):
        if place.shape in ("map", "single") and path[: len(rows_at)] == rows_at:
            continue
        for name, value in level.items():
            if isinstance(value, int) and not isinstance(value, bool) and names.fullmatch(squashed(str(name))):
                yield Told(selector=written((*path, str(name))), value=value)


def read_total(seen: Seen, told: Told) -> int | None:
    """The same number in another answer."""
    if told.selector.startswith("header:"):
        value = seen.headers.get(told.selector.removeprefix("header:").lower(), "")
        return int(value) if value.isdecimal() else None
    for path, level in objects(seen.body):
        for name in level:
            if written((*path, str(name))) == told.selector:
                value = value_at(seen.body, (*path, str(name)))
                return value if isinstance(value, int) else None
    return None


def _header(name: str) -> str:
    return "-".join(part if part == "wp" else part.capitalize() for part in name.split("-")).replace("wp", "WP")
