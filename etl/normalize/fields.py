"""Which values of an item become columns: `flatten`, `columns: drop`, paths of keys, constants of `add`.

Under `flatten: N` an object that stands at most N levels deep is spread over columns of its own. The paths that `key`,
`incremental`, `order` and `columns` name get a column in any case, beside the JSON column they are part of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from etl.model.schema import ColumnType
from etl.model.stream import ColumnChoice, Stream
from etl.normalize.literals import is_object

Path = tuple[str, ...]
Leaves = dict[Path, bytes]
OUTER: Final = "outer"
"""The placeholder for the object around a nested item."""
NO_CHOICE: Final = ColumnChoice()
_PLAIN: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_objects: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def members(raw: bytes) -> dict[str, bytes]:
    """The members of an object as literals; the last one wins where a name comes twice."""
    return {name: bytes(member) for name, member in _objects.decode(raw).items()}


class Fields:
    """The part of a stream's configuration that says which values become columns."""

    def __init__(self, stream: Stream) -> None:
        self._choices = stream.columns
        self.flatten = stream.flatten
        self.constants = frozenset(name for name, template in stream.add if OUTER not in template.names)
        """Columns of `add` with one value a page; those that look at the object around an item stand in the item."""
        self.key: tuple[Path, ...] = stream.key
        self.wanted: tuple[Path, ...] = tuple(dict.fromkeys(self._wanted(stream)))
        """Paths that have a column even if no item holds them, and even inside an object that is dropped."""
        self.extracted: tuple[Path, ...] = tuple(
            path for path in self.wanted if len(path) > self.flatten + 1 or self.is_dropped(path)
        )
        """Those of them that are not reached by spreading the item."""
        self.dropped: tuple[Path, ...] = tuple(self._drops())
        """Paths that a Struct has to know although nothing is taken from them."""
        cursor = stream.incremental
        self.text_only: frozenset[Path] = frozenset(
            {(name,) for name, _ in stream.add} | ({cursor.field} if cursor and cursor.format.name == "text" else set())
        )
        """Paths where a string is never taken for an instant."""

    def choice(self, path: Path) -> ColumnChoice:
        """What the YAML says of the column; it may be named `a__b` or `a.b`."""
        return self._choices.get("__".join(path)) or self._choices.get(".".join(path)) or NO_CHOICE

    def is_dropped(self, path: Path) -> bool:
        """Whether the YAML drops the value or the object around it."""
        return any(self.choice(path[:end]).drop for end in range(1, len(path) + 1))

    def leaves(self, raw: bytes) -> Leaves:
        """The literals of an item by path, in the order of the item; raises msgspec.DecodeError for no object."""
        found: Leaves = {}
        top = members(raw)
        for name, member in top.items():
            if name not in self.constants:
                self._spread((name,), member, found)
        for path in self.extracted:
            literal = literal_at(path, top)
            if literal is not None:
                found[path] = literal
        return found

    def below(self, name: str, raw: bytes) -> Leaves:
        """The literals of one member of an item by path."""
        found: Leaves = {}
        self._spread((name,), raw, found)
        for path in self.extracted:
            literal = literal_at(path, {name: raw}) if path[0] == name else None
            if literal is not None:
                found[path] = literal
        return found

    def declared(self, path: Path) -> ColumnType | None:
        """The declared type of the column, None when it is inferred."""
        return self.choice(path).type

    def _spread(self, path: Path, raw: bytes, found: Leaves) -> None:
        if self.choice(path).drop:
            return
        if len(path) <= self.flatten and is_object(raw):
            for name, member in members(raw).items():
                self._spread((*path, name), member, found)
        else:
            found[path] = raw

    def _drops(self) -> Iterator[Path]:
        for name, choice in self._choices.items():
            if choice.drop:
                yield (name,)
                path = self._declared_path(name)
                if 1 < len(path) <= self.flatten + 1:
                    yield path

    def _wanted(self, stream: Stream) -> Iterator[Path]:
        yield from stream.key
        if stream.incremental:
            yield stream.incremental.field
        if stream.order:
            yield from stream.order.by
        if stream.deletes.field:
            yield stream.deletes.field
        for name, choice in stream.columns.items():
            if choice.type is not None:
                yield self._declared_path(name)

    def _declared_path(self, name: str) -> Path:
        """`a.b` is a path when its parts are plain names; `a__b` is one as far as objects are flattened."""
        parts = name.split(".")
        if len(parts) > 1 and all(map(_PLAIN.fullmatch, parts)):
            return tuple(parts)
        return tuple(name.split("__", self.flatten))


def literal_at(path: Path, top: Mapping[str, bytes]) -> bytes | None:
    """The literal at a path, None when an object on the way is missing or is none."""
    literal = top.get(path[0])
    for name in path[1:]:
        if literal is None or not is_object(literal):
            return None
        literal = members(literal).get(name)
    return literal
