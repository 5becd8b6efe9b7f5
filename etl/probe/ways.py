"""Ways from the first page to the second, as one answer hints at them, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urljoin, urlsplit

from etl.probe.names import AFTER_ID, CURSOR, PAGE, is_cursor, is_offset, is_page, is_size, squashed, unique
from etl.probe.paths import Path, objects, written
from etl.probe.question import Question, Seen, query_of
from etl.probe.rows import Item, Place
from etl.probe.totals import Totals

Kind = Literal["none", "link", "cursor", "number", "offset"]
_LINKS: Final = frozenset({
    "next", "nexturl", "nextlink", "nextpageurl", "nextpage", "odatanextlink", "nextrecordsurl", "afterurl", "nexthref",
    "nextpagelink", "nextpath", "nexturi",
})  # fmt: skip
_TOKENS: Final = frozenset({
    "next", "nextcursor", "nexttoken", "nextpagetoken", "nextpage", "cursor", "endcursor", "after", "continuation",
    "continuationtoken", "nextmarker", "marker", "lastevaluatedkey", "nextpagekey", "bookmark", "scrollid",
    "nextpageid", "nextkey", "nextforwardtoken", "next_page", "nextoffset", "pagetoken",
})  # fmt: skip
_MORE: Final = frozenset({"hasmore", "hasnext", "hasnextpage", "more", "moreresults", "hasmoreitems"})
_ENDS: Final = frozenset({"islast", "last", "islastpage", "done", "endofstream", "lastpage", "complete"})
_LONGEST: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to page. `selector` is where the next link or cursor stands (`link` alone: the Link header); `param` is
    the parameter that moves, `first` its value on the first page, and `step` what to send for the second, by `size`.
    """

    kind: Kind
    param: str = ""
    selector: str = ""
    first: int = 0
    url: str = ""
    token: Any = None
    more: str = ""
    until: str = ""
    sizes: tuple[str, ...] = ()
    """Parameters that were seen to hold the size of a page."""
    saw: str = ""

    def second(self, size: int) -> Mapping[str, object]:
        """The parameters of the second page, of pages with `size` rows."""
        match self.kind:
            case "number":
                return {self.param: self.first + 1}
            case "offset":
                return {self.param: self.first + size}
            case "cursor":
                return {self.param: self.token}
            case _:
                return {}


def find_ways(question: Question, seen: Seen, place: Place, rows: tuple[Item, ...], totals: Totals) -> tuple[Way, ...]:
    """All ways that the first answer hints at. Empty where it gives no sign of a second page."""
    found = [
        *_by_link(question, seen, rows, totals),
        *_by_number(question, seen),
        *_by_token(question, seen),
        *_by_last_row(question, seen, place, rows),
        *_by_echo(question, seen, len(rows), totals),
    ]
    ways: dict[tuple[str, str, str], Way] = {}
    for way in found:
        ways.setdefault((way.kind, way.param, way.selector), way)
    return tuple(ways.values())


def has_more(seen: Seen) -> tuple[str, bool] | None:
    """The member that tells whether there is another page, and what it tells now (True: there is)."""
    for path, level in objects(seen.body):
        for name, value in level.items():
            if isinstance(value, bool) and squashed(str(name)) in _MORE:
                return written((*path, str(name))), value
    return None


def sign_of_more(seen: Seen, count: int, totals: Totals) -> str:
    """What in an answer says that the list goes on, in words; empty where nothing does."""
    if "next" in seen.links:
        return "a Link header with rel=next"
    more = has_more(seen)
    if more is not None and more[1]:
        return f"{more[0]} is true"
    if totals.rows is not None and totals.rows.value > count:
        return f"{totals.rows.words}, {count:,} came"
    for path, name, _ in _members(seen, _LINKS | _TOKENS):
        return f"{written((*path, name))} is set"
    return ""


def silent_way(seen: Seen) -> Way | None:
    """A member that would name the next page and is null: this answer held the rest of the list."""
    for path, level in objects(seen.body):
        for name, value in level.items():
            if value is None and squashed(str(name)) in _LINKS:
                return Way(kind="link", selector=written((*path, str(name))))
    return None


def _by_link(question: Question, seen: Seen, rows: tuple[Item, ...], totals: Totals) -> Iterator[Way]:
    found: list[tuple[str, str]] = []
    for path, name, value in _members(seen, _LINKS):
        target = value.get("href") if isinstance(value, Mapping) else value
        if isinstance(target, str) and _is_link(target):
            place = (*path, name, "href") if isinstance(value, Mapping) else (*path, name)
            found.append((written(place), target))
    if "next" in seen.links:
        found.append(("link", seen.links["next"]))
    for selector, target in found:
        url = _absolute(question, target)
        yield from _moved(question, url, selector, rows, totals)
        yield Way(kind="link", selector=selector, url=url, saw=_shown(selector, target), sizes=_sizes(url, len(rows)))


def _moved(question: Question, url: str, selector: str, rows: tuple[Item, ...], totals: Totals) -> Iterator[Way]:
    """A link that only counts up a number of ours lets any page be asked for, once the total is known."""
    if totals.rows is None or urlsplit(url).path != urlsplit(question.url).path:
        return
    before, count = question.given, len(rows)
    moved = [(name, value) for name, value in query_of(url) if before.get(name) != value]
    numbers = [(name, int(value)) for name, value in moved if value.isdecimal() and len(value) < 16]
    sizes = tuple(name for name, value in numbers if value == count and is_size(name) and not is_offset(name))
    others = [(name, value) for name, value in numbers if name not in sizes]
    if len(others) != 1 or len(moved) != len(others) + len(sizes):
        return
    name, value = others[0]
    given = tuple(known for known, told in query_of(url) if is_size(known) and told == str(count))
    sizes, saw = unique((*sizes, *given)), _shown(selector, url)
    if is_page(name) and value in (1, 2):
        yield Way(kind="number", param=name, first=value - 1, sizes=sizes, saw=saw)
    elif value == count and not is_page(name) and (is_offset(name) or not _may_be_a_key(name, value, rows)):
        yield Way(kind="offset", param=name, sizes=sizes, saw=saw)
    elif value in (1, 2) and count > 2:
        yield Way(kind="number", param=name, first=value - 1, sizes=sizes, saw=saw)


def _may_be_a_key(name: str, value: int, rows: tuple[Item, ...]) -> bool:
    """Whether the number may be the last row's id: ids without gaps count like an offset, until a row is deleted."""
    last = rows[-1] if rows else {}
    return is_cursor(name) or any(str(field) == str(value) for field in last.values())


def _by_number(question: Question, seen: Seen) -> Iterator[Way]:
    """`next: 2`: the number of the next page in the body."""
    for path, name, value in _members(seen, _LINKS | _TOKENS):
        if isinstance(value, int) and not isinstance(value, bool) and value in (1, 2):
            params = unique((*filter(is_page, question.given), *filter(is_page, _echoed(seen)), *PAGE[:2]))
            for param in params:
                yield Way(kind="number", param=param, first=value - 1, saw=f"{written((*path, name))} = {value}")


def _by_token(question: Question, seen: Seen) -> Iterator[Way]:
    more = has_more(seen)
    end = _end(seen)
    for path, name, value in _members(seen, _TOKENS):
        if not _is_token(value):
            continue
        selector = written((*path, name))
        for param in _params_for(question, name):
            yield Way(
                kind="cursor", param=param, selector=selector, token=value, saw=_shown(selector, str(value)),
                more=more[0] if more else "", until="" if more else end,
            )  # fmt: skip


def _params_for(question: Question, name: str) -> tuple[str, ...]:
    """Names the token may be sent under: one in the request already, the member's own, and those without `next`."""
    bare = name[4:] if name.lower().startswith("next") else name
    bare = bare.lstrip("_") or name
    lower = bare[:1].lower() + bare[1:]
    relay = ("after",) if squashed(name) in ("endcursor", "after") else ()
    marker = ("marker",) if "marker" in name.lower() else ()
    own = () if squashed(name) in ("next", "endcursor") else (name,)
    guesses = (
        *relay,
        *marker,
        *own,
        lower,
        *(("cursor", "_next", name) if squashed(name) == "next" else ()),
        *CURSOR[:3],
    )
    return unique((*filter(is_cursor, question.given), *guesses))[:5]


def _by_last_row(question: Question, seen: Seen, place: Place, rows: tuple[Item, ...]) -> Iterator[Way]:
    """`has_more` and no cursor: the list goes on behind the last row's id."""
    more = has_more(seen)
    if more is None or not more[1] or not rows or place.shape != "objects" or place.inner:
        return
    last = rows[-1].get("id")
    if last is None or isinstance(last, (Mapping, list)):
        return
    for param in unique((*filter(is_cursor, question.given), *AFTER_ID[:4])):
        yield Way(
            kind="cursor", param=param, selector=f"{place.last}.id", token=last, more=more[0], saw=f"{more[0]} is true"
        )


def _by_echo(question: Question, seen: Seen, count: int, totals: Totals) -> Iterator[Way]:
    """The answer, or the request as it was given, names a page or an offset beside a size."""
    goes_on = totals.rows is not None and totals.rows.value > count
    echoed, given = _echoed(seen), question.given
    sizes = unique(
        name for name, value in (*given.items(), *echoed.items()) if is_size(name) and str(value) == str(count)
    )
    for name, value in (*given.items(), *echoed.items()):
        number = int(value) if str(value).isdecimal() and len(str(value)) < 10 else None
        if is_page(name) and number in (0, 1) and (goes_on or name in given):
            yield Way(kind="number", param=name, first=number, sizes=sizes, saw=f"{name} = {number}")
        elif is_offset(name) and number == 0 and (goes_on or name in given):
            yield Way(kind="offset", param=name, sizes=sizes, saw=f"{name} = 0")


def _echoed(seen: Seen) -> Mapping[str, object]:
    """Members of the answer's own frame that are single numbers: `page`, `per_page`."""
    found: dict[str, object] = {}
    for _, level in objects(seen.body):
        for name, value in level.items():
            if isinstance(value, int) and not isinstance(value, bool):
                found.setdefault(str(name), value)
    return found


def _members(seen: Seen, names: frozenset[str]) -> Iterator[tuple[Path, str, Any]]:
    """Members of the answer's frame that are set and have one of the names."""
    for path, level in objects(seen.body):
        for name, value in level.items():
            if squashed(str(name)) in names and value not in (None, "", False, True) and not isinstance(value, list):
                yield path, str(name), value


def _end(seen: Seen) -> str:
    """A member that is false now and seems to turn true on the last page."""
    for path, level in objects(seen.body):
        for name, value in level.items():
            if value is False and squashed(str(name)) in _ENDS:
                return written((*path, str(name)))
    return ""


def _is_link(text: str) -> bool:
    return text.startswith(("http://", "https://", "/", "?")) and len(text) <= _LONGEST


def _is_token(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST and not value.startswith(("http://", "https://", "/", "?"))
    return isinstance(value, int) and not isinstance(value, bool) and value > 2


def _absolute(question: Question, target: str) -> str:
    try:
        return urljoin(question.url, target)
    except ValueError:
        return target


def _sizes(url: str, count: int) -> tuple[str, ...]:
    return unique(name for name, value in query_of(url) if is_size(name) and value == str(count))


def _shown(selector: str, target: str) -> str:
    place = "Link: rel=next" if selector == "link" else selector
    text = target.partition("?")[2] if "?" in target else target
    lead = "…?" if "?" in target else ""
    return f"{place} → {lead}{text[:60]}" + ("…" if len(text) > 60 else "")
