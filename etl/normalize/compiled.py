"""The fast route: one version of the schema as msgspec Structs and one generated function from items to rows.

The Structs forbid unknown fields and wrong types, so a page that decodes is a page without surprises. Anything else
raises here and goes the careful route; so nothing in this file decides what a value means. A column whose literals
are right but not in the compiled spelling (numbers in a text column) is compiled `loose`: its literal is kept raw
and read by the careful route's own converter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from hashlib import blake2b
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from etl.model.instants import Cursor
from etl.model.page import Row
from etl.model.schema import ColumnType, Contract
from etl.normalize.evolution import OVERFLOW
from etl.normalize.fields import Fields, Path
from etl.normalize.layout import MAX_KEY, Layout, encode
from etl.normalize.literals import ZonedInstant
from etl.normalize.naming import is_compilable
from etl.normalize.storage import sqlite_instant

_NULL: Final = Raw(b"null")
# Whole literals from 2**53 on may not be exact as doubles; the careful route looks at them.
_Double = Annotated[float, Meta(gt=-(2.0**53), lt=2.0**53)]
_Bigint = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: Final[dict[ColumnType, Any]] = {
    ColumnType.BIGINT: _Bigint | None,
    ColumnType.DOUBLE: _Double | None,
    ColumnType.BOOLEAN: bool | None,
    ColumnType.TEXT: str | None,
    ColumnType.TIMESTAMP: ZonedInstant | None,
    ColumnType.DATE: date | None,
    ColumnType.UNKNOWN: None,
}
_BOOLEANS: Final = {None: None, True: 1, False: 0}


class NotCompilable(Exception):
    """The schema needs the careful route for every page: names a Struct cannot have, or overflowing columns."""


class NeedsCare(Exception):
    """This page needs the careful route."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of a page in parallel lists."""

    rows: list[Row]
    keys: list[Row]
    hashes: list[bytes]
    cursors: list[Cursor | None]


@dataclass(slots=True)
class _Node:
    """A name in an item: a column, an object that is flattened, a raw literal with columns in it, or nothing wanted."""

    place: int | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    raw: bool = False


class Compiled:
    """Items of one layout: their Struct type, and the way from them to rows."""

    def __init__(self, layout: Layout, fields: Fields, contract: Contract, loose: frozenset[Path]) -> None:
        self._layout = layout
        self._fields = fields
        self._loose = loose
        self._strict = contract is not Contract.IGNORE
        self._scope: dict[str, Any] = {
            "B": _BOOLEANS, "UTC": UTC, "blake2b": blake2b, "encode": encode, "Named": layout.hash_type,
            "NeedsCare": NeedsCare, "read_cursor": layout.read_cursor, "sqlite_instant": sqlite_instant,
        }  # fmt: skip
        self._lines: list[str] = []
        self._values = ["None"] * len(layout.schema.columns)
        self._attributes: dict[Path, str] = {}
        self._serial = 0
        self.texts = tuple(
            place
            for place, column in enumerate(layout.schema.columns)
            if column.type is ColumnType.TEXT and column.path not in loose
        )
        self._has_text_key = any(layout.schema.columns[place].type is ColumnType.TEXT for place in layout.key)
        self.item_type = self._struct(self._tree(), "it", ())
        self._constants()
        self.rows: Callable[[Sequence[object], Sequence[object]], Decoded] = self._function()

    def peek(self, item: object, path: Path) -> object:
        """The value at a path of an item as the API wrote it; raises NeedsCare when the Struct no longer holds that."""
        attribute = self._attributes.get(path)
        value = getattr(item, attribute) if attribute else Ellipsis
        if isinstance(value, Raw):
            return msgspec.json.decode(value)
        if value is None or isinstance(value, (str, int)):
            return value
        raise NeedsCare

    def check_texts(self, rows: list[Row]) -> None:
        """Raises NeedsCare when a text holds a NUL character."""
        for row in rows:
            for place in self.texts:
                text = row[place]
                if isinstance(text, str) and "\0" in text:
                    raise NeedsCare

    def check_keys(self, keys: list[Row]) -> None:
        """Raises NeedsCare when a key is too long for an index."""
        if self._has_text_key and max(map(len, map(encode, keys)), default=0) > MAX_KEY:
            raise NeedsCare

    def _tree(self) -> dict[str, _Node]:
        fields, tree = self._fields, dict[str, _Node]()
        for place, column in enumerate(self._layout.schema.columns):
            path = column.path
            if path == OVERFLOW:
                raise NotCompilable
            if path[0] in fields.constants or (fields.is_dropped(path) and path not in fields.wanted):
                continue
            if path in fields.extracted:
                tree.setdefault(path[0], _Node()).raw = True
            else:
                _insert(tree, path).place = place
        for path in fields.dropped:
            _insert(tree, path)
        for name in fields.constants:
            tree[name] = _Node()
        return tree

    def _struct(self, tree: dict[str, _Node], owner: str, prefix: Path) -> type[msgspec.Struct]:
        members: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for name, node in tree.items():
            if not is_compilable(name):
                raise NotCompilable
            attribute = f"f{self._serial}"
            self._serial += 1
            rename[attribute] = name
            members.append((attribute, *self._member(node, f"{owner}.{attribute}", (*prefix, name))))
            if not prefix and not node.children:
                self._attributes[(name,)] = attribute
        return msgspec.defstruct(
            f"Item{self._serial}", members, rename=rename, forbid_unknown_fields=self._strict, gc=False
        )

    def _member(self, node: _Node, source: str, path: Path) -> tuple[Any, Any]:
        """The type and the default of a Struct's field; what the row takes from it is noted on the way."""
        if node.raw or (node.children and node.place is not None):
            self._spread(source, path)
            return Raw, _NULL
        if node.children:
            name = f"n{self._serial}"
            self._lines.append(f"{name} = {source} or E{name}")
            type_ = self._struct(node.children, name, path)
            self._scope[f"E{name}"] = type_()
            return type_ | None, None
        if node.place is None:
            return Raw, _NULL
        return self._column(node.place, source, path)

    def _column(self, place: int, source: str, path: Path) -> tuple[Any, Any]:
        column = self._layout.schema.columns[place]
        value = f"v{place}"
        type_ = column.type
        if type_ not in _TYPES or path in self._loose:
            self._scope[f"read{place}"] = _reader(self._layout, place)
            self._lines.append(f"{value} = read{place}({source})")
            self._values[place] = value
            return Raw, _NULL
        if type_ is ColumnType.UNKNOWN:
            return None, None
        self._lines.append(f"{value} = {source}")
        if type_ is ColumnType.TIMESTAMP:
            self._lines.append(
                f"if {value} is not None and {value}.tzinfo is not UTC: {value} = {value}.astimezone(UTC)"
            )
        self._values[place] = value
        return _TYPES[type_], None

    def _spread(self, source: str, path: Path) -> None:
        """All columns below a name that is both a value and an object, or has columns picked out of it."""
        places = tuple(
            place
            for place, column in enumerate(self._layout.schema.columns)
            if column.path[: len(path)] == path and column.path[0] not in self._fields.constants
        )
        name = f"m{self._serial}"
        self._scope[f"spread_{name}"] = _spreader(self._layout, self._fields, path, places)
        self._lines.append(f"{name} = spread_{name}({source})")
        for position, place in enumerate(places):
            self._values[place] = f"{name}[{position}]"

    def _constants(self) -> None:
        for place, column in enumerate(self._layout.schema.columns):
            if column.path[0] in self._fields.constants:
                self._values[place] = f"constants[{place}]"

    def _function(self) -> Callable[[Sequence[object], Sequence[object]], Decoded]:
        layout = self._layout
        stored = [self._stored(place) for place in range(len(self._values))]
        key = [stored[place] for place in layout.key]
        body = [*self._lines, *(f"s{place} = {expression}" for place, expression in enumerate(stored))]
        body += [f"if s{place} is None: raise NeedsCare" for place in layout.key]
        body.append(f"rows.append(({' '.join(f's{place},' for place in range(len(stored)))}))")
        if key:
            body.append(f"keys.append(({' '.join(f's{place},' for place in layout.key)}))")
        named = ", ".join(f"s{place}" for place in layout.hashed)
        body.append(f"hashes.append(blake2b(encode(Named({named})), digest_size=16).digest())")
        if layout.cursor is not None:
            value = self._values[layout.cursor]
            body.append(f"cursors.append(None if {value} is None else read_cursor({value}))")
        indented = "\n".join(f"        {line}" for line in body)
        source = (
            "def build(items, constants):\n"
            "    rows, keys, hashes, cursors = [], [], [], []\n"
            f"    for it in items:\n{indented}\n"
            f"    {'' if key else 'keys = [()] * len(rows)'}\n"
            f"    {'' if layout.cursor is not None else 'cursors = [None] * len(rows)'}\n"
            "    return rows, keys, hashes, cursors\n"
        )
        exec(compile(source, f"<rows of {layout.schema.version}>", "exec"), self._scope)  # noqa: S102 - no text of the API is in it
        build = self._scope["build"]
        return lambda items, constants: Decoded(*build(items, constants))

    def _stored(self, place: int) -> str:
        value, type_ = self._values[place], self._layout.schema.columns[place].type
        if value == "None" or self._layout.dialect != "sqlite":
            return value
        if type_ is ColumnType.BOOLEAN:
            return f"B[{value}]"
        if type_ is ColumnType.TIMESTAMP:
            return f"None if {value} is None else sqlite_instant({value})"
        if type_ in (ColumnType.NUMERIC, ColumnType.DATE):
            self._scope[f"store{place}"] = self._layout.stores[place]
            return f"None if {value} is None else store{place}({value})"
        return value


def fits_compiled(type_: ColumnType, raw: bytes) -> bool:
    """Whether the compiled type takes the literal; if not, its column has to be loose."""
    if type_ not in _TYPES:
        return True
    try:
        msgspec.json.decode(raw, type=_TYPES[type_])
    except msgspec.DecodeError:
        return False
    return True


def _insert(tree: dict[str, _Node], path: Path) -> _Node:
    node = tree.setdefault(path[0], _Node())
    for name in path[1:]:
        node = node.children.setdefault(name, _Node())
    return node


def _reader(layout: Layout, place: int) -> Callable[[Raw], object]:
    convert = layout.converts[place]

    def read(raw: Raw) -> object:
        literal = bytes(raw)
        return None if literal == b"null" else convert(literal)

    return read


def _spreader(
    layout: Layout, fields: Fields, path: Path, places: tuple[int, ...]
) -> Callable[[Raw], tuple[object, ...]]:
    columns = tuple(layout.schema.columns[place].path for place in places)
    known = frozenset(columns)

    def spread(raw: Raw) -> tuple[object, ...]:
        leaves = fields.below(path[0], bytes(raw))
        if not known.issuperset(leaves):
            for unknown in leaves.keys() - known:
                if leaves[unknown] != b"null" or not any(column[: len(unknown)] == unknown for column in columns):
                    raise NeedsCare
        return tuple(layout.value(place, leaves.get(column)) for place, column in zip(places, columns, strict=True))

    return spread
