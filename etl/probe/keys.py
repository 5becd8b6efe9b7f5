"""Which field, or which fields together, tell the rows apart; and what the rows are sorted by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Final

from etl.probe.names import IDS, squashed
from etl.probe.paths import Path, scalars, value_at
from etl.probe.rows import Item
from etl.probe.times import time_format

_LONGEST: Final = 200
_MOST: Final = 12
"""Fields that are tried in compounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`fields` together were unique in `rows` rows; `others` are single fields that were, too."""

    fields: tuple[Path, ...]
    rows: int
    others: tuple[Path, ...] = ()


def fingerprint(item: Item) -> str:
    """The same text for the same item."""
    return json.dumps(item, sort_keys=True, default=str)


def find_key(rows: Sequence[Item], stream: str, told: Sequence[str] = ()) -> Key | None:
    """The best key of rows that are all different; None where even three fields do not tell them apart.

    `told` are primary keys that the API names itself.
    """
    if not rows:
        return None
    named = tuple((name,) for name in told)
    if named and _unique(rows, named):
        return Key(fields=named, rows=len(rows))
    fields = [path for path in _fields(rows) if _fits(rows, path)]
    singles = sorted((path for path in fields if _unique(rows, (path,))), key=lambda path: _rank(path, stream, rows))
    if singles:
        return Key(fields=(singles[0],), rows=len(rows), others=tuple(singles[1:4]))
    for width in (2, 3):
        for chosen in combinations(sorted(fields, key=lambda path: _rank(path, stream, rows))[:_MOST], width):
            if _unique(rows, chosen):
                return Key(fields=chosen, rows=len(rows))
    return None


def told_keys(body: object) -> tuple[str, ...]:
    """Primary keys that the answer names itself, as Datasette does."""
    found = body.get("primary_keys") if isinstance(body, Mapping) else None
    return tuple(found) if isinstance(found, list) and all(isinstance(name, str) for name in found) else ()


def direction(rows: Sequence[Item], path: Path) -> str:
    """`asc` or `desc` where the numbers or texts at a path run so without an exception and are not all equal."""
    values = [value_at(row, path) for row in rows]
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    texts = all(isinstance(value, str) for value in values)
    if len(values) < 3 or not (numbers or texts) or len(set(values)) < 2:
        return ""
    pairs: list[tuple[Any, Any]] = list(pairwise(values))
    if all(low <= high for low, high in pairs):
        return "asc"
    return "desc" if all(low >= high for low, high in pairs) else ""


def is_unique(rows: Sequence[Item], path: Path) -> bool:
    """Whether no two of the rows share the value at a path."""
    return _unique(rows, (path,))


def _fields(rows: Sequence[Item]) -> list[Path]:
    return [path for path, _ in scalars(rows[0]) if all(name and "." not in name for name in path)]


def _fits(rows: Sequence[Item], path: Path) -> bool:
    """A key is there in every row: a number or a short text, no truth value and no fraction."""
    for row in rows:
        value = value_at(row, path)
        short = isinstance(value, str) and 0 < len(value) <= _LONGEST
        if not short and (not isinstance(value, int) or isinstance(value, bool)):
            return False
    return True


def _unique(rows: Sequence[Item], fields: Sequence[Path]) -> bool:
    seen = {json.dumps([value_at(row, path) for path in fields], default=str) for row in rows}
    return len(seen) == len(rows)


def _rank(path: Path, stream: str, rows: Sequence[Item]) -> tuple[int, int, int]:
    """Ids first, by name and by nearness; times last: two rows of one instant are only a matter of time."""
    name = squashed(path[-1])
    own = squashed(stream).removesuffix("s")
    if name in (f"{own}id", f"{own}uuid"):
        place = 0
    elif path[-1] in IDS:
        place = IDS.index(path[-1])
    elif name.endswith(("id", "key", "uuid", "code")):
        place = len(IDS)
    else:
        place = len(IDS) + (20 if time_format([value_at(row, path) for row in rows[:20]]) else 1)
    return place, len(path), 0 if isinstance(value_at(rows[0], path), int) else 1
