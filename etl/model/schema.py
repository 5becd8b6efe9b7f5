"""Columns and tables as the normalizer and the loader understand them, apart from any dialect."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """The types of data columns; `docs/reference/types.md` tells how each is stored on either database."""

    BIGINT = "bigint"
    DOUBLE = "double"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"
    UNKNOWN = "unknown"
    """Only null was ever seen; the column exists, and the first value decides its type."""


class Contract(StrEnum):
    """What to do with a field the schema does not know, or an inferred type that has to widen."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One data column.

    `path` is where the value stands in the item: one name, or several under `flatten` or in a declared path.
    `declared` types come from the YAML and reject what does not fit; inferred ones widen instead.
    A `volatile` column is stored but is not part of the row's hash.
    """

    name: str
    type: ColumnType
    path: tuple[str, ...]
    declared: bool = False
    volatile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """The columns of a data table, in storage order: new columns are only ever appended.

    `version` counts from 1 and grows with every change; 0 is the table that does not exist yet.
    """

    version: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Names of the key's columns; empty for append-only tables without a key."""

    def column(self, name: str) -> Column | None:
        """The column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def at(self, path: tuple[str, ...]) -> tuple[Column, tuple[str, ...]] | None:
        """The column that holds the field at a path, or is called so when flattened, and what leads on inside its JSON.

        None where no column holds it.
        """
        flat = "__".join(path)
        for column in self.columns:
            if column.path == path or column.name == flat:
                return column, ()
        for length in range(len(path) - 1, 0, -1):
            for column in self.columns:
                if column.path == path[:length] and column.type is ColumnType.JSON:
                    return column, path[length:]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """One difference between two versions: a new column (`old` is None) or a widened type."""

    column: str
    old: ColumnType | None
    new: ColumnType
    sample: str = ""
    """The value that caused it, as JSON text, at most 200 characters."""
