"""The second page: whichever way leads to it, it has to bring rows that the first page did not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from etl.listeners.figures import several
from etl.probe.names import OFFSET, PAGE, unique
from etl.probe.question import Question, Seen
from etl.probe.rows import Item, find_rows
from etl.probe.totals import Totals, find_totals, read_total
from etl.probe.ways import Way, find_ways, has_more, sign_of_more, silent_way
from etl.service.probing.lab import Refused, Spent
from etl.service.probing.reading import Base, Reading

_LARGE: Final = 500
_ROUND: Final = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000})


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Where the second page began: `at` in the known beginning of the list, None for new rows."""

    rows: tuple[Item, ...]
    at: int | None
    repeated: int


async def find_paging(reading: Reading) -> None:
    """Choose the way that was proved; leaves `none` with a question where the list goes on and no way was found."""
    try:
        if await _by_signs(reading) or await _by_guessing(reading):
            return
    except Spent:
        pass
    _give_up(reading)


async def _by_signs(reading: Reading) -> bool:
    """Try the ways that answers hint at, those from the longest answers first: their rows are known best."""
    tried: set[tuple[str, str, str]] = set()
    for base in (reading.first, *reversed(reading.bases[1:])):
        totals = find_totals(base.seen, reading.draft.place, len(base.rows))
        for way in find_ways(base.question, base.seen, reading.draft.place, base.rows, totals):
            name = (way.kind, way.param, way.selector)
            if name not in tried:
                tried.add(name)
                if await _proved(reading, base, way):
                    return True
    return False


async def _proved(reading: Reading, base: Base, way: Way) -> bool:
    """Ask for the second page by one way; True, and the way is chosen, when it brings the right rows."""
    draft = reading.draft
    size = draft.size if draft.size_param and way.kind in ("number", "offset") else None
    if size is not None and len(reading.known) <= size and not _goes_on(reading):
        size = max(len(reading.known) // 2, 1)  # all rows fit one page of that size
    expected = size or len(base.rows)
    question = base.question
    if size is not None:
        question = reading.first.question.asking({draft.size_param: size})
    question = question.asking(way.second(expected))
    seen = await (reading.lab.follow(way.url, base.question) if way.kind == "link" else reading.lab.look(question))
    landing = _landing(reading, seen)
    if landing is None or not landing.rows:
        _say_no(reading, way, seen)
        return False
    if way.first and way.kind == "number" and landing.at == 2 * expected:
        way = replace(way, first=0)  # it was the third page: the first one has the number 0
    elif landing.at not in (None, expected) or (landing.at is None and landing.repeated):
        _say_no(reading, way, seen)
        return False
    assert not isinstance(seen, Refused)
    if way.kind == "number" and not way.saw and landing.at is None:
        way = replace(way, first=await _first_number(reading, question, way))
    _choose(reading, base, way, landing, seen)
    return True


async def _first_number(reading: Reading, question: Question, way: Way) -> int:
    """A guessed page 2 brought new rows: they are the second page only if page 1 is the first."""
    landing = _landing(reading, await reading.lab.look(question.asking({way.param: 1})))
    return 1 if landing is not None and landing.at == 0 else 0


def _landing(reading: Reading, seen: Seen | Refused) -> Landing | None:
    rows = reading.rows_of(seen)
    if rows is None:
        return None
    places = [reading.place_of(row) for row in rows]
    return Landing(rows=rows, at=places[0] if places else None, repeated=sum(place is not None for place in places))


def _goes_on(reading: Reading) -> bool:
    """Whether the longest answer says that there are rows behind it."""
    longest = max(reading.bases, key=lambda base: len(base.rows))
    totals = find_totals(longest.seen, reading.draft.place, len(longest.rows))
    return bool(sign_of_more(longest.seen, len(longest.rows), totals))


def _totals(reading: Reading, second: Seen, count: int) -> Totals:
    """The total that every page tells alike; a number that follows the page is its own size and not the list's.

    Some servers tell it only where a page was asked for.
    """
    for told_by, rows in (*((base.seen, len(base.rows)) for base in reading.bases), (second, count)):
        totals = find_totals(told_by, reading.draft.place, rows)
        if totals.rows is None or totals.rows.value == rows:
            continue
        value = totals.rows.value
        told = [read_total(seen, totals.rows) for seen in (second, *(other.seen for other in reading.bases))]
        if told[0] is not None and all(other in (None, value) for other in told):
            return totals
    return Totals()


def _say_no(reading: Reading, way: Way, seen: Seen | Refused) -> None:
    told = f"refused ({seen.status})" if isinstance(seen, Refused) else "not the next rows"
    reading.say(f"request {reading.lab.sent}", f"{way.param or way.selector} for page 2: {told}")


def _choose(reading: Reading, base: Base, way: Way, landing: Landing, seen: Seen) -> None:
    draft = reading.draft
    reading.meet(landing.rows)
    draft.totals = _totals(reading, seen, len(landing.rows))
    if way.kind == "cursor" and not way.more and (more := has_more(base.seen)):
        way = replace(way, more=more[0])
    draft.way = way
    position = (
        "right behind the first page"
        if landing.at is None
        else f"rows {landing.at + 1:,} to {landing.at + len(landing.rows):,}"
    )
    reading.say("pages", way.saw or f"{way.param} moves the list", _meaning(way, draft.totals.rows is not None))
    reading.say(
        f"request {reading.lab.sent}",
        f"page 2: {several(len(landing.rows), 'row')}, {position}, 0 repeated",
        "paging proven",
    )
    draft.notes["pages"] = f"page 2 brought {several(len(landing.rows), 'new row')}, 0 repeated"


def _meaning(way: Way, told: bool) -> str:
    match way.kind:
        case "number" | "offset" if told:
            return f"{'page numbers' if way.kind == 'number' else 'an offset'}: any page can be asked for directly"
        case "number" | "offset":
            return f"{'page numbers' if way.kind == 'number' else 'an offset'}, read until an empty page"
        case "cursor":
            return "a cursor: one page names the next"
        case _:
            return "a link: one page names the next"


async def _by_guessing(reading: Reading) -> bool:
    """No answer names a parameter: try many in one request, and see where the list is when it comes back."""
    if reading.count < 2:
        return False
    question, size = reading.first.question, reading.count
    if reading.draft.size_param:
        size = 2
        question = question.asking({reading.draft.size_param: size})
    values = _places(reading, size)
    seen = await reading.lab.look(question.asking(values))
    if reading.lab.broke:
        values = {name: value for name, value in values.items() if name.isidentifier()}
        seen = await reading.lab.look(question.asking(values))
    landing = _landing(reading, seen)
    if isinstance(seen, Refused):
        return await _one_by_one(reading, question, size)
    if landing is None:
        return await _in_an_envelope(reading)
    if not landing.rows or landing.at == 0:
        if landing.rows:
            names = ", ".join(list(values)[:4])
            reading.say(
                f"request {reading.lab.sent}", f"{names} and {len(values) - 4} more names: ignored", "the same rows"
            )
            reading.draft.notes["pages"] = f"{len(values)} parameters of paging were ignored"
        return False
    for way in _heard(values, landing.at, size):
        if await _proved(reading, reading.first, way):
            return True
    return False


async def _in_an_envelope(reading: Reading) -> bool:
    """Asked for a page, the server answers in another shape: take that one for the list."""
    for name in ("_page", "page"):
        question = reading.first.question.asking({name: 1})
        seen = await reading.lab.look(question)
        place = None if isinstance(seen, Refused) else find_rows(seen.body)
        if isinstance(seen, Refused) or place is None or place == reading.draft.place:
            continue
        rows = place.rows(seen.body) or ()
        if rows and reading.place_of(rows[0]) == 0:
            reading.say(f"request {reading.lab.sent}", f"{name}=1 → {place.selector}[]", "pages, in another shape")
            reading.draft.place, reading.draft.question = place, question
            reading.draft.totals = find_totals(seen, place, len(rows))
            reading.first = Base(question=question, seen=seen, rows=rows)
            reading.bases = [reading.first]
            return await _by_signs(reading)
    return False


def _places(reading: Reading, size: int) -> Mapping[str, int]:
    """A value for each name that leads to a place of its own: pages to even places, offsets to odd ones."""
    given = reading.first.question.given
    pages = [name for name in PAGE if name not in given]
    offsets = [name for name in OFFSET if name not in given]
    if len(reading.known) < 2 * (2 * len(pages) + 1) * (size if size == 2 else 0) or size != 2:
        return {**dict.fromkeys(pages, 2), **dict.fromkeys(offsets, size)}
    numbered = {name: 2 * place for place, name in enumerate(pages, 1)}
    return {**numbered, **{name: 2 * place + 1 for place, name in enumerate(offsets, 1)}}


def _heard(values: Mapping[str, int], at: int | None, size: int) -> tuple[Way, ...]:
    """The ways that may have led there; several where the values were alike."""
    found: list[Way] = []
    for name, value in values.items():
        if name in PAGE:
            first = next((first for first in (1, 0) if at is not None and at == (value - first) * size), None)
            if at is None or first is not None:
                saw = "" if first is None else f"{name}={value} → row {at + 1 if at else 1:,}"
                found.append(Way(kind="number", param=name, first=1 if first is None else first, saw=saw))
        elif at is None or at == value:
            found.append(Way(kind="offset", param=name))
    return tuple(found)


async def _one_by_one(reading: Reading, question: Question, size: int) -> bool:
    """The server wants no name that it does not know: the likeliest alone."""
    reading.say(f"request {reading.lab.sent}", "many names at once: refused", "the likeliest one by one")
    if size > _LARGE and await _in_an_envelope(reading):
        return True
    offset_first = "limit" in reading.draft.size_param or reading.draft.size_param in ("size", "count")
    names = unique(("offset", "page", "skip") if offset_first else ("page", "offset", "_page"))
    for name in names:
        way = Way(kind="offset", param=name) if name in OFFSET else Way(kind="number", param=name, first=1)
        if await _proved(reading, replace_question(reading.first, question, size), way):
            return True
    return False


def replace_question(base: Base, question: Question, size: int) -> Base:
    """The same answer under the question with the size that was asked for, and as many of its rows."""
    return replace(base, question=question, rows=base.rows[:size])


def _give_up(reading: Reading) -> None:
    """No way was proved: say whether there has to be one."""
    draft, first = reading.draft, reading.first
    sign = sign_of_more(first.seen, len(first.rows), draft.totals)
    quiet = silent_way(first.seen)
    total = draft.totals.rows
    if sign:
        draft.checks["pages"] = (
            f"the list goes on ({sign}), and no way to page 2 was found; see the API's documentation"
        )
        reading.say("pages", sign, "no way to page 2 was proved", sure=False)
    elif quiet is not None:
        draft.way = quiet
        draft.checks["pages"] = f"{quiet.selector} is null: all rows fit on this page, so paging could not be proved"
        reading.say("pages", f"{quiet.selector} is null", "one page today; paging could not be proved", sure=False)
    elif reading.count in _ROUND and "pages" not in draft.notes:
        draft.checks["pages"] = f"exactly {reading.count} rows came: is that the whole list? then write pages: none"
        draft.doubts.add("pages")
        reading.say("pages", f"exactly {reading.count} rows came", "the whole list, or a page of it?", sure=False)
    else:
        whole = (
            f"{total.words}, and as many came"
            if total is not None
            else several(reading.count, "row") + ", no sign of more"
        )
        reading.say("pages", whole, "one answer holds the whole list")
        ignored = draft.notes.setdefault("pages", whole)
        if total is None and reading.count in _ROUND:
            # Names that nobody tried may page this list: the file works, and the exit code says that a look is due.
            draft.checks["records"] = f"exactly {reading.count:,} rows came, and {ignored}: is that the whole list?"
            draft.doubts.add("records")
