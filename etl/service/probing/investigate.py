"""The whole investigation of one list, from its first answer to a draft."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from etl.errors import DataRefused
from etl.listeners.figures import several, size
from etl.probe.access import Credentials
from etl.probe.draft import Draft
from etl.probe.keys import find_key, told_keys
from etl.probe.limits import declared_rate, rate_words
from etl.probe.paths import written
from etl.probe.question import Question, Seen
from etl.probe.rows import Place, find_rows, nested_lists
from etl.probe.totals import find_totals
from etl.probe.ways import Way
from etl.service.probing.changes import find_filter, find_order
from etl.service.probing.lab import Lab, Refused, Spent, first_refusal
from etl.service.probing.paging import find_paging
from etl.service.probing.reading import Base, Reading
from etl.service.probing.sizes import find_size

_FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be investigated, under which names. `told` are parameters that an API description lists."""

    source: str
    stream: str
    question: Question
    credentials: Credentials
    now: datetime
    told: tuple[str, ...] = field(default=())


async def investigate(lab: Lab, case: Case) -> Draft:
    """Ask as long as questions are open and requests are left.

    Raises what the first request raises, and DataRefused for an answer without rows.
    """
    seen = await lab.first(case.question)
    if isinstance(seen, Refused):
        signed = case.credentials.kind != "none"
        raise first_refusal(seen, case.source, case.question.url, signed=signed)
    reading = _begin(lab, case, seen)
    if reading.draft.place.shape == "single":
        reading.draft.notes["pages"] = "the answer is one object"
        reading.say("pages", "the answer is one object", "one row")
    else:
        with suppress(Spent):
            await find_size(reading, told=case.told)
        await find_paging(reading)
    _find_key(reading)
    _find_nested(reading)
    await find_filter(reading, case.now, told=case.told)
    await find_order(reading)
    _find_limits(reading, seen)
    return reading.draft


def _begin(lab: Lab, case: Case, seen: Seen) -> Reading:
    kind = seen.headers.get("content-type", "").partition(";")[0]
    place = find_rows(seen.body, case.stream)
    rows = (place.rows(seen.body) if place is not None else None) or ()
    if place is None or not rows:
        where = f" at {place.selector}" if place is not None else ""
        raise DataRefused(
            f"{case.question.url} brought no rows{where}",
            why="there is nothing to learn from an empty list"
            if place is not None
            else "no array of objects is in the answer",
            hint="give the URL of a list that holds at least a few rows",
        )
    draft = Draft(
        source=case.source, stream=case.stream, question=case.question, credentials=case.credentials, place=place,
        way=Way(kind="none"), totals=find_totals(seen, place, len(rows)),
    )  # fmt: skip
    reading = Reading(lab, draft, Base(question=case.question, seen=seen, rows=rows))
    reading.say("request 1", f"{seen.status}  {kind}  {size(seen.size)}  {seen.seconds:.2f} s")
    _say_rows(reading, place)
    if draft.totals.rows is not None:
        reading.say("total", draft.totals.rows.words)
    return reading


def _say_rows(reading: Reading, place: Place) -> None:
    others = f"also arrays: {', '.join(place.others)}" if place.others else "the only list in the answer"
    where = {"rows": "arrays with their names beside them", "columns": "parallel arrays", "map": "an object of objects",
             "single": "one object"}.get(place.shape, others)  # fmt: skip
    label = "the whole body" if place.selector == "@" else f"{place.selector}[]"
    reading.say("rows", label, f"{several(reading.count, 'object')}; {where}")
    reading.draft.notes["records"] = f"{several(reading.count, 'object')}; {where}"


def _find_key(reading: Reading) -> None:
    draft = reading.draft
    rows = reading.rows
    key = find_key(rows, draft.stream, told_keys(reading.first.seen.body))
    if key is None:
        draft.checks["key"] = (
            "no field, and no two or three together, tell the rows apart: every run replaces the table"
        )
        reading.say("key", "none was found", "every run replaces the whole table", sure=False)
        return
    draft.key = key.fields
    names = " + ".join(written(path) for path in key.fields)
    others = f"also unique: {', '.join(written(path) for path in key.others)}" if key.others else ""
    reading.say("key", f"{names} (unique in {several(key.rows, 'row')})", others)
    draft.notes["key"] = f"unique in {several(key.rows, 'row')}" + (f"; {others}" if others else "")
    if key.rows < _FEW:
        draft.checks["key"] = f"only {several(key.rows, 'row')} came: is {names} unique in the whole list?"
        draft.doubts.add("key")


def _find_nested(reading: Reading) -> None:
    """Lists inside the rows land as JSON; that they may be rows of their own is worth a line."""
    draft = reading.draft
    if draft.place.shape != "objects" or draft.place.inner:
        return
    draft.nested = nested_lists(reading.rows)
    for name in draft.nested:
        note = f"a JSON column; rows of their own: records: [{draft.place.selector}, {name}]"
        reading.say("nested", f"{name}[] in each row", note)


def _find_limits(reading: Reading, seen: Seen) -> None:
    reading.draft.rate = declared_rate(seen.headers)
    told = rate_words(seen.headers)
    if reading.draft.rate:
        reading.say("limits", f"{told or 'a declared rate'}", f"at most {reading.draft.rate}")
    else:
        reading.say(
            "limits",
            told or "no rate-limit headers",
            "starts with 8 in flight, adapts" if not told else "pauses before it is used up",
        )
