"""Parquet, with pyarrow, which is an extra. The answer is held in memory: a column's type needs all of its values."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from etl.errors import OperatorError
from etl.query.cells import plain, shown
from etl.query.result import Result


def write_parquet(result: Result, out: BinaryIO) -> int:
    """Write one file; returns the number of rows.

    Columns keep their types; one that mixes types, which SQLite allows, becomes text, and so do objects and lists (as
    JSON). Raises OperatorError when pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise OperatorError("parquet needs pyarrow", hint="pip install 'everypage[parquet]'") from None
    names = result.distinct_columns()
    columns: list[list[Any]] = [[] for _ in names]
    for row in result.rows:
        for column, value in zip(columns, row, strict=True):
            column.append(json.dumps(plain(value), ensure_ascii=False) if isinstance(value, dict | list) else value)
    arrays = [_array(pa, column) for column in columns]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), out)
    return len(columns[0]) if columns else 0


def _array(pa: Any, values: list[Any]) -> Any:
    """The values in the type that all of them are of, else as text."""
    try:
        array = pa.array(values)
        return array.cast(pa.string()) if pa.types.is_null(array.type) else array
    except (pa.ArrowException, OverflowError):  # mixed types, or numbers beyond 64 bits
        return pa.array([None if value is None else shown(value) for value in values], type=pa.string())
