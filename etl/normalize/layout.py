"""A version of the schema, ready for use: how each column is read and stored, what key, hash and cursor of a row are.

Both routes use the same layout, so that a row has the same hash whichever way it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import msgspec

from etl.model.instants import Cursor
from etl.model.page import Row
from etl.model.schema import ColumnType, TableSchema
from etl.model.stream import Stream
from etl.normalize.conversion import Convert, Misfit, converter
from etl.normalize.naming import EXTRA, is_compilable
from etl.normalize.storage import Dialect, Store, cursor_reader, store

encode: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Numbers with the same value give the same text, so that a column that widens keeps its hashes."""
_ORDERED: Final = {
    ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.NUMERIC, ColumnType.TIMESTAMP, ColumnType.DATE,
}  # fmt: skip


MAX_KEY: Final = 2_000
"""Bytes of a key as JSON. PostgreSQL's indexes stop at 2,700; one row there must not stop a stream for ever."""

_PLAIN: Final = {ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.TEXT}


class Layout:
    """Everything about one schema version that does not depend on the page."""

    def __init__(self, schema: TableSchema, stream: Stream, dialect: Dialect) -> None:
        self.schema = schema
        self.dialect = dialect
        incremental = stream.incremental
        field = incremental.field if incremental else None
        self.index = {column.path: place for place, column in enumerate(schema.columns)}
        names = {column.name: place for place, column in enumerate(schema.columns)}
        self.key: tuple[int, ...] = tuple(names[name] for name in schema.key if name in names)
        self.cursor = self.index.get(field) if field is not None else None
        self.read_cursor: Callable[[Any], Cursor] | None = cursor_reader(incremental.format) if incremental else None
        self.stores: tuple[Store, ...] = tuple(store(column.type, dialect) for column in schema.columns)
        self.converts: tuple[Convert, ...] = tuple(
            converter(
                column,
                is_key=place in self.key,
                cursor=incremental.format if incremental and place == self.cursor else None,
            )
            for place, column in enumerate(schema.columns)
        )
        self.hashed = tuple(place for place, column in enumerate(schema.columns) if not column.volatile)
        self.hash_type = _hash_type([schema.columns[place].name for place in self.hashed])
        self.extra = names.get(EXTRA)
        self.order = self._order_places(stream)
        self.key_is_plain = stream.order is None and [schema.columns[place].type in _PLAIN for place in self.key] == [
            True
        ]
        """Whether an order by the key, which nobody declared, could be seen."""

    def _order_places(self, stream: Stream) -> tuple[int, ...]:
        """The columns of the declared order, as long as their values may be compared with less-than; empty otherwise.

        Text is compared only where its owner declares the binary collation: others sort by rules nobody told us.
        """
        order = stream.order
        if order is None:
            return ()
        places = [self.index.get(path) for path in order.by]
        comparable = _ORDERED | ({ColumnType.TEXT} if order.binary_collation else set())
        known = [place for place in places if place is not None and self.schema.columns[place].type in comparable]
        return tuple(known) if len(known) == len(places) else ()

    def value(self, place: int, raw: bytes | None) -> object:
        """The column's value of a literal. Raises Misfit or Refused."""
        return None if raw is None or raw == b"null" else self.converts[place](raw)

    def stored(self, values: Iterable[Any]) -> Row:
        """The row of the values, ready for the driver."""
        return tuple(None if value is None else keep(value) for keep, value in zip(self.stores, values, strict=True))

    def key_of(self, row: Row) -> Row:
        """The key of a stored row."""
        return tuple(row[place] for place in self.key)

    def hash_of(self, row: Row) -> bytes:
        """The hash of a stored row: 16 bytes over its named values that are not null."""
        return blake2b(encode(self.hash_type(*[row[place] for place in self.hashed])), digest_size=16).digest()

    def cursor_of(self, values: list[Any]) -> Cursor | None:
        """The canonical cursor. Raises Misfit when there is a value that cannot be read as one."""
        if self.cursor is None or self.read_cursor is None or values[self.cursor] is None:
            return None
        try:
            return self.read_cursor(values[self.cursor])
        except (ValueError, TypeError, OverflowError) as problem:
            raise Misfit(f"a cursor: {problem}") from None


def key_text(key: Row) -> bytes:
    """A key as canonical JSON: the value itself for a key of one column, else a list."""
    return encode(key[0] if len(key) == 1 else key)


def _hash_type(names: list[str]) -> Callable[..., msgspec.Struct]:
    """A Struct that msgspec encodes without its nulls: naming the values in C is what makes hashing cheap."""
    fields = [(f"c{place}", Any, None) for place in range(len(names))]
    spelled = {
        f"c{place}": name if is_compilable(name) else quote(name, safe="") + "%" for place, name in enumerate(names)
    }
    return msgspec.defstruct("Named", fields, rename=spelled, omit_defaults=True, gc=False)
