"""What is in the answer of a stream: its items and the way to the next page."""

from __future__ import annotations

from typing import Final

from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records
from etl.settings.building.desk import Texts
from etl.settings.format.pages import PagesPart
from etl.settings.format.records import RecordsPart
from etl.settings.format.stream import StreamPart

START: Final = "{start}"
_WHOLE_BODY: Final = Selector(SelectorKind.BODY, "")
_WAYS: Final = {
    "number": PagesKind.NUMBER,
    "offset": PagesKind.OFFSET,
    "cursor": PagesKind.CURSOR,
    "link": PagesKind.LINK,
    "merge": PagesKind.CURSOR,
}
_MOST_PAGES: Final = 100_000


def build_records(part: StreamPart, texts: Texts) -> Records:
    """Where the items are; the whole body where nothing is said."""
    records = part.records
    if records is None:
        return Records(path=_WHOLE_BODY)
    if isinstance(records, Selector):
        _in_body(records, texts)
        return Records(path=records)
    if isinstance(records, list):
        _in_body(records[0], texts)
        return Records(kind="nested", path=records[0], inner=records[1])
    return _other_records(records, texts)


def _other_records(part: RecordsPart, texts: Texts) -> Records:
    given = part.model_fields_set
    if given == {"columns"} and part.columns:
        return Records(kind="columns", path=part.columns)
    if given == {"rows", "names"} and part.rows and part.names:
        return Records(kind="rows", path=part.rows, names=part.names)
    if given == {"map", "key"} and part.map and part.key:
        return Records(kind="map", path=part.map, key_name=part.key)
    texts.problem(("records",), "should have `columns`, or `rows` and `names`, or `map` and `key`", at_key=True)
    return Records(path=_WHOLE_BODY)


def _in_body(selector: Selector, texts: Texts) -> None:
    if selector.kind is not SelectorKind.BODY:
        texts.problem(("records",), "items stand in the body, not in a header")


def build_paging(part: StreamPart, texts: Texts) -> Paging:
    """How pages follow each other; UNDECLARED where nothing is said."""
    pages = part.pages
    most = part.max_pages or _MOST_PAGES
    if pages is None:
        return Paging(kind=PagesKind.UNDECLARED, max_pages=most)
    if isinstance(pages, str):
        if pages == "none":
            return Paging(kind=PagesKind.NONE, max_pages=most)
        return Paging(kind=PagesKind.LINK, next=Selector(SelectorKind.LINK, "next"), max_pages=most)
    kind = _kind(pages, texts)
    _check_end(pages, kind, texts)
    repeats = pages.until is not None and pages.until.path == "repeat"
    return Paging(
        kind=kind,
        first={PagesKind.NUMBER: pages.number, PagesKind.OFFSET: pages.offset}.get(kind, pages.first),
        first_is_start=pages.first == START,
        next=pages.link if kind is PagesKind.LINK else pages.merge or pages.cursor,
        merges=pages.merge is not None,
        size=pages.size,
        total_rows=pages.total_rows,
        total_pages=pages.total_pages,
        more=pages.while_ or (None if repeats else pages.until),
        more_means_end=pages.until is not None and not repeats,
        until_repeat=repeats,
        inclusive=bool(pages.inclusive),
        cap=pages.cap,
        max_pages=most,
    )


def _kind(pages: PagesPart, texts: Texts) -> PagesKind:
    ways = [way for way in _WAYS if getattr(pages, way) is not None]
    if len(ways) == 1:
        return _WAYS[ways[0]]
    found = f"; here are {' and '.join(ways)}" if ways else ""
    hint = "where they come from different defaults, set the other one to null" if ways else ""
    texts.problem(("pages",), f"needs exactly one of {', '.join(_WAYS)}{found}", hint=hint, at_key=True)
    return _WAYS[ways[0]] if ways else PagesKind.NONE


def _check_end(pages: PagesPart, kind: PagesKind, texts: Texts) -> None:
    if pages.while_ is not None and pages.until is not None:
        texts.problem(("pages", "until"), "the end is told either by `while` or by `until`", at_key=True)
    only_cursors = {
        "first": pages.first is not None,
        "inclusive": bool(pages.inclusive),
        "until": pages.until is not None and pages.until.path == "repeat",
    }
    for key, used in only_cursors.items():
        if used and kind is not PagesKind.CURSOR:
            texts.problem(("pages", key), "has a meaning only beside `cursor`", at_key=True)
    if pages.total_pages is not None and kind in (PagesKind.CURSOR, PagesKind.LINK):
        texts.problem(
            ("pages", "total_pages"), "counts numbered pages; a chain proves its end by `total_rows`", at_key=True
        )
