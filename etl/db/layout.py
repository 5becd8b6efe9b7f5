"""How data tables are laid out: the storage type of every column type, the private columns, and quoting.

SQLite's declared types carry an affinity that rewrites values: a numeric of 20 digits in a BIGINT column would be
rounded. So columns whose values must stay as they are have no declared type at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from etl.db.address import Dialect
from etl.model.instants import CursorKind
from etl.model.schema import Column, ColumnType, TableSchema
from etl.model.stream import Stream

RUN_ID: Final = "_etl_run_id"
SEQ: Final = "_etl_seq"
CURSOR: Final = "_etl_cursor"
FIRST_SEEN_AT: Final = "_etl_first_seen_at"
CHANGED_AT: Final = "_etl_changed_at"
HASH: Final = "_etl_hash"
DELETED_AT: Final = "_etl_deleted_at"
"""Null while the row lives; only where the stream marks deletions."""

STORAGE: Final[dict[Dialect, dict[ColumnType, str]]] = {
    "sqlite": {
        ColumnType.BIGINT: "BIGINT",
        ColumnType.DOUBLE: "DOUBLE",
        ColumnType.NUMERIC: "",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.TEXT: "TEXT",
        ColumnType.TIMESTAMP: "TEXT",
        ColumnType.DATE: "TEXT",
        ColumnType.JSON: "TEXT",
        ColumnType.UNKNOWN: "",
    },
    "postgresql": {
        ColumnType.BIGINT: "bigint",
        ColumnType.DOUBLE: "double precision",
        ColumnType.NUMERIC: "numeric",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.TEXT: "text",
        ColumnType.TIMESTAMP: "timestamp with time zone",
        ColumnType.DATE: "date",
        ColumnType.JSON: "jsonb",
        ColumnType.UNKNOWN: "text",
    },
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A column as the database sees it; `collation` is a clause such as `COLLATE "C"`."""

    name: str
    type: str
    required: bool = False
    collation: str = ""

    def ddl(self) -> str:
        """The column's definition inside CREATE TABLE or ADD COLUMN."""
        parts = (quote(self.name), self.type, self.collation, "NOT NULL" if self.required else "")
        return " ".join(filter(None, parts))


def quote(name: str) -> str:
    """An identifier as both databases read it, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def driver_sql(dialect: Dialect, statement: str) -> str:
    """A statement for `exec_driver_sql`: psycopg reads `%` as the start of a placeholder."""
    return statement.replace("%", "%%") if dialect == "postgresql" else statement


def data_column(column: Column, dialect: Dialect, *, required: bool = False) -> Stored:
    """A data column as it is stored."""
    return Stored(column.name, STORAGE[dialect][column.type], required)


def private_columns(stream: Stream, dialect: Dialect) -> tuple[Stored, ...]:
    """Our columns in a data table; `_etl_cursor` only under `incremental`, `_etl_deleted_at` under `deletes`."""
    sqlite = dialect == "sqlite"
    instant = "TEXT" if sqlite else "timestamp with time zone"
    integer = "BIGINT" if sqlite else "bigint"
    columns = [Stored(RUN_ID, "TEXT" if sqlite else "text"), Stored(SEQ, integer)]
    if stream.incremental is not None:
        columns.append(_cursor(stream.incremental.format.kind, dialect))
    return (
        *columns,
        Stored(FIRST_SEEN_AT, instant),
        Stored(CHANGED_AT, instant),
        Stored(HASH, "BLOB" if sqlite else "bytea"),
        *((Stored(DELETED_AT, instant),) if stream.deletes.marked else ()),
    )


def _cursor(kind: CursorKind, dialect: Dialect) -> Stored:
    if kind is not CursorKind.TEXT:
        return Stored(CURSOR, "BIGINT" if dialect == "sqlite" else "bigint")
    # Cursors of text are compared byte by byte, in Python and in the merge alike.
    return Stored(CURSOR, "TEXT") if dialect == "sqlite" else Stored(CURSOR, "text", collation='COLLATE "C"')


def create_table(table: str, columns: tuple[Stored, ...], key: tuple[str, ...]) -> str:
    """CREATE TABLE with a primary key over `key`, none when that is empty."""
    parts = [column.ddl() for column in columns]
    if key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
    return f"CREATE TABLE {quote(table)} ({', '.join(parts)})"


def table_columns(stream: Stream, schema: TableSchema, dialect: Dialect) -> tuple[Stored, ...]:
    """All columns of a new table: data first, as people read them, then the private ones."""
    data = (data_column(column, dialect, required=column.name in schema.key) for column in schema.columns)
    return (*data, *private_columns(stream, dialect))
