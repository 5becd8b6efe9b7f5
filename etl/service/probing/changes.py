"""Which parameter restricts a list to what changed since, and which one sorts it: seen in the rows that come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from etl.probe.draft import Filter
from etl.probe.keys import direction
from etl.probe.names import SORT
from etl.probe.paths import written
from etl.probe.times import Bounds, TimeField, bounds, filter_params, find_times, heard_bound, holds_bound
from etl.service.probing.lab import Refused, Spent
from etl.service.probing.reading import Reading

_SINGLES: Final = 3


async def find_filter(reading: Reading, now: datetime, *, told: Sequence[str] = ()) -> None:
    """Prove a filter: rows before the bound vanish, and rows remain."""
    draft = reading.draft
    times = find_times(reading.rows)
    if not times:
        reading.say("changes", "no field tells when a row changed", "every run reads the whole list")
        draft.notes["incremental"] = "no field tells when a row changed: every run reads the whole list"
        return
    field = times[0]
    try:
        found = await _search(reading, field, now, told)
    except Spent:
        found = None
    _conclude(reading, field, found)


def _conclude(reading: Reading, field: TimeField, found: Filter | None) -> None:
    draft, name = reading.draft, ".".join(field.path)
    spent = "; more --requests would try more names" if reading.lab.left <= 0 else ""
    if found is None:
        reading.say(
            "changes", f"{name} ({field.format}), no filter by it was found", f"every run reads the whole list{spent}"
        )
        draft.notes["incremental"] = f"{name} tells changes, but no parameter was found that filters by it{spent}"
        return
    bound = "inclusive" if found.inclusive else "exclusive"
    proof = f"{found.param} filters by {name}: rows before the bound vanished, the bound is {bound}"
    if field.marks_changes:
        draft.filter = found
        reading.say(
            "changes", f"{found.param} filters by {name} ({field.format}, {bound})", "proven: only changes are read"
        )
        draft.notes["incremental"] = proof
    else:
        draft.created_filter = found
        reading.say(
            "changes",
            f"{found.param} filters by {name} ({field.format}, {bound})",
            "rows that change later would be missed",
        )
        draft.notes["incremental"] = f"{proof}; but {name} never sees later changes. For rows that never change:"


async def _search(reading: Reading, field: TimeField, now: datetime, told: Sequence[str]) -> Filter | None:
    """Each experiment gives every share of the names a bound of its own; the rows that stay tell which was heard."""
    edges = bounds(field, reading.first.rows, reading.rows, now)
    if edges is None:
        return None
    trial = _Trial(reading, field, edges)
    names = filter_params(field, reading.first.question.given, told)
    shares = [list(group) for group in names.groups]
    if len(edges.middles) == 1:
        shares = [shares[0], [*shares[1], *shares[2]]]
    heard = await trial.ask(shares)
    if trial.refused:  # the server wants no name that it does not know
        return await _singly(trial, names.singly[:_SINGLES])
    while heard is not None:
        if len(heard) == 1:
            return trial.proof(heard[0]) or await _singly(trial, heard)
        near, rest = heard[: len(edges.middles)], heard[len(edges.middles) :]
        last = rest[-1:]
        found = await trial.ask([rest[:-1], *([name] for name in near)])
        heard = found if found is not None or trial.refused else last or None
        if found is None and last:
            return await _singly(trial, last)
    return None


async def _singly(trial: _Trial, names: Sequence[str]) -> Filter | None:
    for name in names:
        if await trial.ask([[], [name]]) == [name]:
            return trial.proof(name)
    return None


class _Trial:
    """Experiments with lower bounds: the first share of the names gets one beyond all rows, the others middle ones."""

    def __init__(self, reading: Reading, field: TimeField, edges: Bounds) -> None:
        self._reading = reading
        self._field = field
        self._edges = edges
        self._proved: Filter | None = None
        self.refused = False

    async def ask(self, shares: Sequence[list[str]]) -> list[str] | None:
        """The share whose bound was heard; None where none was, or the question was refused."""
        edges, reading = self._edges, self._reading
        of_bound = dict(zip((edges.future, *edges.middles), shares, strict=False))
        values = {name: edges.text(bound) for bound, names in of_bound.items() for name in names}
        seen = await reading.lab.look(reading.first.question.asking(values))
        rows = reading.rows_of(seen)
        self.refused = isinstance(seen, Refused) or rows is None
        if rows is None:
            return None
        reading.meet(rows)
        bound = heard_bound(self._field, edges, rows)
        names = of_bound.get(bound, []) if bound is not None else []
        if bound is not None and bound != edges.future and len(names) == 1:
            inclusive = holds_bound(self._field, bound, rows)
            self._proved = Filter(field=self._field, param=names[0], inclusive=inclusive)
        return names or None

    def proof(self, name: str) -> Filter | None:
        """The filter, if rows before its own bound vanished and others stayed."""
        return self._proved if self._proved is not None and self._proved.param == name else None


async def find_order(reading: Reading) -> None:
    """What the list is sorted by, as far as the rows show it; a numbered list without an order asks for one."""
    draft = reading.draft
    order = _seen_order(reading)
    if order is None and draft.way.kind in ("number", "offset") and draft.key:
        order = await _sorted_by_request(reading)
    if order is None:
        if draft.way.kind in ("number", "offset"):
            reading.say("order", "no order was seen", "a row that moves while pages are read may be missed")
        return
    path, way = order
    name, words = written(path), {"asc": "ascending", "desc": "descending"}[way]
    is_key = path in draft.key and len(draft.key) == 1
    numbered = draft.way.kind in ("number", "offset")
    other = "no proof for numbered pages: its values may repeat" if numbered else ""
    reading.say(
        "order", f"sorted by {name}, {words}", "if the API promises it, runs can be verified" if is_key else other
    )
    if is_key:
        draft.order = order
        draft.notes["order"] = (
            f"{name} was {words} in {len(reading.known):,} rows; if the API promises that, runs can be verified:"
        )


def _seen_order(reading: Reading) -> tuple[tuple[str, ...], str] | None:
    paths = [*reading.draft.key, *(field.path for field in find_times(reading.rows))]
    for path in paths:
        way = direction(reading.known, path)
        if way:
            return path, way
    return None


async def _sorted_by_request(reading: Reading) -> tuple[tuple[str, ...], str] | None:
    """Ask to be sorted by the key, under one name after the other, while requests are left."""
    (path, *more) = reading.draft.key
    if more or len(path) > 1:
        return None
    for name in SORT[:3]:
        if reading.lab.left <= 0:
            return None
        try:
            seen = await reading.lab.look(reading.first.question.asking({name: path[0]}))
        except Spent:
            return None
        rows = reading.rows_of(seen) or ()
        way = direction(rows, path)
        if way and len(rows) > 2:
            reading.draft.sort = (name, path[0])
            reading.draft.notes[f"param:{name}"] = f"without it the list has no order; with it {path[0]} is {way}ending"
            reading.say(f"request {reading.lab.sent}", f"{name}={path[0]} → sorted", "a stable order for page numbers")
            return path, way
    return None
