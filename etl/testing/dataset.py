"""One table of the shop: rows by id, in the order its list shows them, each encoded once.

The order is what pagination stands on, so it is total: by id, or by (`updated_at`, id). Changing a row moves it in the
second order; that is how pages shift under a reader.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Literal

from etl.model.instants import parse_instant, to_micros
from etl.testing.rows import Row

SortedBy = Literal["id", "updated_at"]
Place = tuple[int, int]
"""Where a row stands in the order: microseconds of `updated_at` (0 when sorted by id), then its id."""


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON without escapes for what JSON need not escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


class Dataset:
    """Rows with an order. `version` counts the changes; whoever caches answers compares it."""

    def __init__(self, rows: Iterable[Row], *, sorted_by: SortedBy = "id") -> None:
        self.sorted_by = sorted_by
        self.version = 0
        self._rows: dict[int, Row] = {}
        self._places: dict[int, Place] = {}
        self._encoded: dict[int, bytes] = {}
        for row in rows:
            self._rows[_id(row)] = row
            self._places[_id(row)] = self._place(row)
        self._order = sorted(self._places.values())
        self._highest = max(self._rows, default=0)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, number: int) -> bool:
        return number in self._rows

    @property
    def ids(self) -> list[int]:
        """The ids in the order of the list."""
        return [place[1] for place in self._order]

    @property
    def highest_id(self) -> int:
        """The largest id there ever was, 0 before the first: an id is never given twice."""
        return self._highest

    def get(self, number: int) -> Row:
        """A copy of one row; KeyError when it is not there."""
        return deepcopy(self._rows[number])

    def put(self, row: Row) -> None:
        """Insert, or replace the row of the same id."""
        number = _id(row)
        self._forget(number)
        self._rows[number] = deepcopy(row)
        self._places[number] = self._place(row)
        insort(self._order, self._places[number])
        self._highest = max(self._highest, number)
        self.version += 1

    def remove(self, number: int) -> None:
        """Take a row out; KeyError when it is not there."""
        del self._rows[number]
        self._forget(number)
        self.version += 1

    def widen(self, name: str, value: object = None) -> None:
        """Give every row a further field; rows that have it keep theirs."""
        for row in self._rows.values():
            row.setdefault(name, value)
        self._encoded.clear()
        self.version += 1

    def rows(self, start: int = 0, stop: int | None = None) -> list[Row]:
        """The rows at positions `start` up to, not including, `stop`, as copies; all of them by default."""
        return [self.get(number) for _, number in self._order[start:stop]]

    def part(self, start: int, stop: int) -> list[bytes]:
        """The encoded rows at positions `start` up to, not including, `stop`."""
        return [self._bytes(number) for _, number in self._order[start:stop]]

    def part_ids(self, start: int, stop: int) -> Sequence[int]:
        """The ids of the rows at these positions."""
        return [number for _, number in self._order[start:stop]]

    def position_from(self, place: Place) -> int:
        """The position of the first row at or after a place of the order."""
        return bisect_left(self._order, place)

    def place_of(self, number: int) -> Place:
        """Where the row stands in the order; KeyError when it is not there."""
        return self._places[number]

    def _bytes(self, number: int) -> bytes:
        known = self._encoded.get(number)
        if known is None:
            known = self._encoded[number] = encode(self._rows[number])
        return known

    def _place(self, row: Row) -> Place:
        if self.sorted_by == "id":
            return (0, _id(row))
        return (to_micros(parse_instant(str(row["updated_at"]))), _id(row))

    def _forget(self, number: int) -> None:
        self._encoded.pop(number, None)
        place = self._places.pop(number, None)
        if place is not None:
            del self._order[bisect_left(self._order, place)]


def _id(row: Row) -> int:
    number = row["id"]
    assert isinstance(number, int)
    return number
