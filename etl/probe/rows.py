"""Where the rows of an answer are: the array that looks most like a list of things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from etl.probe.names import LISTS, NO_LISTS, squashed
from etl.probe.paths import Path, objects, value_at, written

Item = Mapping[str, Any]
Shape = Literal["objects", "rows", "columns", "map", "single"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the rows are. `path` is empty for the whole body; `inner` is the member of each row that holds the item.

    `names` is where the names of `rows` stand. `others` are arrays that might be meant as well.
    """

    shape: Shape
    path: Path = ()
    inner: str = ""
    names: Path = ()
    others: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """The array itself as a JMESPath; `@` for the whole body."""
        return written(self.path) or "@"

    @property
    def last(self) -> str:
        """The last row, as a JMESPath."""
        return f"{written(self.path)}[-1]"

    def rows(self, body: object) -> tuple[Item, ...] | None:
        """The rows of an answer of the same kind; None where the place is not there."""
        found = value_at(body, self.path) if self.path else body
        match self.shape:
            case "single":
                return (found,) if isinstance(found, Mapping) else None
            case "map":
                return tuple(_mapped(found)) if isinstance(found, Mapping) else None
            case "columns":
                return _columns(found)
            case "rows":
                return _named(found, value_at(body, self.names))
        if not isinstance(found, list):
            return None
        rows = (row.get(self.inner) if self.inner and isinstance(row, Mapping) else row for row in found)
        return tuple(row for row in rows if isinstance(row, Mapping))


def find_rows(body: object, hint: str = "") -> Place | None:
    """The likeliest place of the rows, None where nothing looks like any. `hint` is the last word of the URL's path."""
    if isinstance(body, list):
        return Place(shape="objects") if all(isinstance(row, Mapping) for row in body) else None
    if not isinstance(body, Mapping):
        return None
    arrays = sorted(_arrays(body), key=lambda found: -_score(found[0], found[1], hint))
    parallel = _parallel(body)
    if parallel is not None and arrays and arrays[0][0][:-1] == parallel.path:
        return parallel  # a column of objects is no list of rows
    if arrays:
        path, rows = arrays[0]
        others = tuple(written(other) for other, found in arrays[1:4] if found)
        return Place(shape="objects", path=path, inner=_inner(rows), others=others)
    return _matrix(body) or parallel or _map(body) or _single(body)


def _arrays(body: Item) -> Iterator[tuple[Path, list[Any]]]:
    """The arrays of objects; empty ones only where their name says that they hold the rows."""
    for path, level in objects(body):
        for name, member in level.items():
            if not isinstance(member, list) or squashed(str(name)) in NO_LISTS:
                continue
            if all(isinstance(row, Mapping) for row in member) and (member or name in LISTS):
                yield (*path, str(name)), member


def _score(path: Path, rows: Sequence[object], hint: str) -> float:
    """Names weigh more than numbers, and numbers more than depth."""
    name = squashed(path[-1])
    known = LISTS.index(path[-1]) if path[-1] in LISTS else None
    points = 0.0 if known is None else 40.0 - known
    points += 60.0 if hint and name == squashed(hint) else 0.0
    return points + min(len(rows), 50) - 6.0 * len(path) + (10.0 if rows else -50.0)


def _inner(rows: Sequence[Any]) -> str:
    """`node`, where each row is a Relay edge: the item with a cursor beside it."""
    return "node" if rows and all(isinstance(row.get("node"), Mapping) and len(row) <= 3 for row in rows) else ""


def _matrix(body: Item) -> Place | None:
    """Rows that are arrays, with their names beside them."""
    for path, level in objects(body):
        for name, member in level.items():
            if not isinstance(member, list) or not member or not all(isinstance(row, list) for row in member):
                continue
            width = len(member[0])
            for other, names in level.items():
                texts = isinstance(names, list) and names and all(isinstance(one, str) for one in names)
                if texts and len(names) == width and all(len(row) == width for row in member):
                    return Place(shape="rows", path=(*path, str(name)), names=(*path, str(other)))
    return None


def _parallel(body: Item) -> Place | None:
    """An object of arrays of one length, one for each field."""
    for path, level in objects(body):
        arrays = [member for member in level.values() if isinstance(member, list)]
        if len(arrays) > 1 and len(arrays) == len(level) and len(set(map(len, arrays))) == 1 and arrays[0]:
            return Place(shape="columns", path=path)
    return None


def _map(body: Item) -> Place | None:
    """An object whose members are all objects with much the same fields: the rows by their key."""
    for path, level in objects(body):
        members = list(level.values())
        if len(members) < 2 or not all(isinstance(member, Mapping) and member for member in members):
            continue
        shared = set.intersection(*(set(member) for member in members))
        if len(shared) * 2 > max(map(len, members)) and path:
            return Place(shape="map", path=path)
    return None


def _single(body: Item) -> Place | None:
    """The whole body as one row, where it has an id: an object and no list."""
    return Place(shape="single") if "id" in body and len(body) > 1 else None


def _mapped(found: Item) -> Iterator[Item]:
    for key, member in found.items():
        if isinstance(member, Mapping):
            yield {"key": key, **member}


def _columns(found: object) -> tuple[Item, ...] | None:
    if not isinstance(found, Mapping) or not all(isinstance(column, list) for column in found.values()):
        return None
    return tuple(dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=False))


def _named(found: object, names: object) -> tuple[Item, ...] | None:
    if not isinstance(found, list) or not isinstance(names, list):
        return None
    return tuple(
        dict(zip(map(str, names), row, strict=True))
        for row in found
        if isinstance(row, list) and len(row) == len(names)
    )


def nested_lists(rows: Sequence[Item]) -> tuple[str, ...]:
    """Members whose value is a list of objects wherever it is one, in the order in which they are met."""
    found: dict[str, bool] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list) and value:
                found[name] = found.get(name, True) and all(isinstance(one, Mapping) for one in value)
    return tuple(name for name, holds in found.items() if holds)
