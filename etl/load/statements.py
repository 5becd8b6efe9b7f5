"""The SQL of a batch, compiled once per schema version and dialect.

Values travel in one order everywhere: data columns, `_etl_seq`, `_etl_cursor` where there is one, `_etl_hash`, and
`_etl_deleted_at` where deletions are marked. What is the same for a whole batch (run, time, upper bound) is not sent
with every row.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.db.address import Dialect
from etl.db.layout import CHANGED_AT, CURSOR, DELETED_AT, FIRST_SEEN_AT, HASH, RUN_ID, SEQ, STORAGE, quote
from etl.model.instants import CursorKind
from etl.model.schema import ColumnType, TableSchema
from etl.model.stream import DeletesKind, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table as the loader sees it.

    `cursor` is None without `incremental`; `marked` and `inferred` say whether deletions are marked, and how known.
    Rows with a seq below `floor` are older than this reading, whatever their cursor says.
    """

    dialect: Dialect
    table: str
    schema: TableSchema
    cursor: CursorKind | None
    marked: bool = False
    inferred: bool = False
    floor: int = 0

    @property
    def sent(self) -> tuple[str, ...]:
        """The columns whose values are sent with every row, in that order."""
        names = tuple(column.name for column in self.schema.columns)
        cursor = (CURSOR,) if self.cursor else ()
        return (*names, SEQ, *cursor, HASH, *((DELETED_AT,) if self.marked else ()))

    @property
    def key_types(self) -> tuple[str, ...]:
        """Storage types of the key's columns."""
        types = {column.name: column.type for column in self.schema.columns}
        return tuple(STORAGE[self.dialect][types[name]] for name in self.schema.key)

    def prefetched(self, alias: str = "") -> str:
        """The select list of a prefetch: the key, then the parts of a `Version`."""
        key = ", ".join(alias + quote(name) for name in self.schema.key)
        cursor = alias + CURSOR if self.cursor else "NULL"
        gone = f"{alias}{DELETED_AT} IS NOT NULL" if self.marked else "FALSE"
        return f"{key}, {alias}{HASH}, {cursor}, {alias}{SEQ}, {gone}"

    def on_conflict(self, upper: str) -> str:
        """What happens to a key that is there: it is replaced if the row sent is the newer version.

        `upper` is the SQL of the upper bound U. Empty for a table without key.
        """
        if not self.schema.key:
            return ""
        data = [column.name for column in self.schema.columns if column.name not in self.schema.key]
        own = (SEQ, *((CURSOR,) if self.cursor else ()), HASH)
        assignments = ", ".join(
            [self._assigned(name) for name in data]
            + [f"{quote(name)} = excluded.{quote(name)}" for name in (*own, RUN_ID, CHANGED_AT)]
        )
        if self.marked:  # a row that was deleted before keeps the time when that was seen first
            new, old = f"excluded.{DELETED_AT}", f"{quote(self.table)}.{DELETED_AT}"
            assignments += f", {DELETED_AT} = CASE WHEN {new} IS NULL THEN NULL ELSE COALESCE({old}, {new}) END"
        key = ", ".join(map(quote, self.schema.key))
        return f" ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE {self.guard(upper)}"

    def _assigned(self, name: str) -> str:
        """What a data column becomes. A tombstone says little of the row: what it leaves out stays as it was."""
        new = f"excluded.{quote(name)}"
        if self.marked and not self.inferred:
            gone, old = f"excluded.{DELETED_AT} IS NOT NULL", f"{quote(self.table)}.{quote(name)}"
            new = f"CASE WHEN {gone} THEN COALESCE({new}, {old}) ELSE {new} END"
        return f"{quote(name)} = {new}"

    def guard(self, upper: str) -> str:
        """The newer cursor wins; by seq go ties, rows without cursor, those below the floor or dated beyond U."""
        table = quote(self.table)
        by_seq = f"excluded.{SEQ} >= {table}.{SEQ}"
        if self.cursor is None:
            return by_seq
        new, old = f"excluded.{CURSOR}", f"{table}.{CURSOR}"
        at_once = f"{table}.{DELETED_AT} IS NOT NULL OR " if self.inferred else ""
        if self.floor:
            at_once += f"{table}.{SEQ} < {self.floor} OR "
        return (
            f"CASE WHEN {at_once}{old} IS NULL OR {new} IS NULL OR {old} = {new} "
            f"OR {old} > {upper} OR {new} > {upper} THEN {by_seq} ELSE {new} > {old} END"
        )


def shape_of(stream: Stream, schema: TableSchema, dialect: Dialect, *, floor: int = 0) -> Shape:
    """The shape of a stream's table under a version of its schema."""
    cursor = stream.incremental.format.kind if stream.incremental else None
    return Shape(
        dialect=dialect,
        table=stream.table,
        schema=schema,
        cursor=cursor,
        marked=stream.deletes.marked,
        inferred=stream.deletes.kind is DeletesKind.INFER,
        floor=floor,
    )


def constants() -> tuple[str, ...]:
    """The columns whose values are those of the batch: run, first seen, changed."""
    return (RUN_ID, FIRST_SEEN_AT, CHANGED_AT)


def stage_type(column: ColumnType) -> tuple[str, str]:
    """How a column travels by binary COPY: the type in the staging table, and the cast out of it.

    JSON travels as text: the driver would encode a text as a JSON string.
    """
    if column is ColumnType.JSON:
        return "text", "::jsonb"
    return STORAGE["postgresql"][column], ""
