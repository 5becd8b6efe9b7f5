"""How large a page may be: which parameter says so, and how many rows really come when more are asked for."""

from __future__ import annotations

from typing import Final

from etl.listeners.figures import several
from etl.probe.limits import cap_in_words
from etl.probe.names import SIZE, is_size, of_style
from etl.probe.ways import find_ways
from etl.service.probing.lab import Refused
from etl.service.probing.reading import Base, Reading

_MANY: Final = 1_000
_SAFE: Final = 100
_LARGE: Final = 500
"""A server that sends more unasked does not page unasked."""
_SINGLES: Final = ("limit", "per_page", "page_size", "_per_page", "page[size]")
_RESERVE: Final = 2
"""Requests that the proof of paging needs after this."""


async def find_size(reading: Reading, *, told: tuple[str, ...] = ()) -> None:
    """Name the parameter of the page size and a size that the API keeps; leaves both out where none reacts."""
    name = _seen_name(reading) or next(filter(is_size, told), "")
    if not name and reading.count > 2:
        name = await _try_names(reading)
    if name:
        await _ask_for_many(reading, name)


def _seen_name(reading: Reading) -> str:
    """A parameter that holds the size already: in the request, in a link, or echoed with the number of rows."""
    first, draft = reading.first, reading.draft
    for name, value in first.question.given.items():
        if is_size(name) and str(value).isdecimal():
            return name
    ways = find_ways(first.question, first.seen, draft.place, first.rows, draft.totals)
    return next((name for way in ways for name in way.sizes), "")


async def _try_names(reading: Reading) -> str:
    """All names at once, each with a number of its own: the rows that come say which one was heard."""
    given = reading.first.question.given
    names = [name for name in of_style(SIZE, given) if name not in given]
    values = {name: value for value, name in enumerate(names, 2) if value < reading.count}
    if len(values) >= 3:
        found = await _react(reading, values)
        if found is None and reading.lab.broke:
            found = await _react(reading, {name: value for name, value in values.items() if name.isidentifier()})
        if found is not None:
            return found
    for name in of_style(_SINGLES, given)[:3]:
        if reading.lab.left <= _RESERVE + 1:
            return ""
        found = await _react(reading, {name: 2})
        if found:
            return found
    return ""


async def _react(reading: Reading, values: dict[str, int]) -> str | None:
    """The parameter that was heard, empty where none was, None where the server refused the question."""
    question = reading.first.question.asking(values)
    seen = await reading.lab.look(question)
    rows = reading.rows_of(seen)
    if isinstance(seen, Refused):
        return None
    if rows is None:
        return ""
    heard = [name for name, value in values.items() if value == len(rows)]
    if len(heard) != 1 or reading.place_of(rows[0]) != 0:
        return ""
    # What moved nothing is left out again: an API may hold a grudge against names it does not know.
    small = reading.first.question.asking({heard[0]: len(rows)})
    reading.bases.append(Base(question=small, seen=seen, rows=rows))
    reading.say(
        f"request {reading.lab.sent}", f"{heard[0]}={len(rows)} → {several(len(rows), 'row')}", "sets the page size"
    )
    return heard[0]


async def _ask_for_many(reading: Reading, name: str) -> None:
    draft = reading.draft
    total = draft.totals.rows.value if draft.totals.rows else None
    question = reading.first.question.asking({name: _MANY})
    seen = await reading.lab.look(question)
    rows, about = reading.rows_of(seen), f"request {reading.lab.sent}"
    if isinstance(seen, Refused) or not rows or reading.place_of(rows[0]) != 0:
        text = seen.text if isinstance(seen, Refused) else ""
        cap = cap_in_words(text)
        draft.size_param, draft.size = name, min(_SAFE, cap or reading.count) or None
        reading.say(about, f"{name}={_MANY} → refused: {text[:60]}", f"page size {draft.size}")
        return
    reading.learn(rows)
    came = len(rows)
    reading.bases.append(Base(question=question, seen=seen, rows=rows))
    goes_on = (total is not None and total > came) or (total is None and came < _MANY)
    cap = came if came < _MANY and goes_on and came >= reading.count else _MANY
    draft.size_param, draft.size = name, min(cap, max(_SAFE, reading.count if reading.count <= _LARGE else 0))
    possible = (
        f"page size {draft.size} used (safe), {came:,} possible" if came > draft.size else f"page size {draft.size}"
    )
    reading.say(about, f"{name}={_MANY} → {several(came, 'row')}", possible)
    draft.notes[f"param:{name}"] = f"{name}={_MANY} brought {several(came, 'row')}"
