"""How a schema grows: new fields become columns at its end, inferred types widen, declared types follow the YAML.

Pure: a schema and the literals of a page give the next schema and the list of what changed. Nothing is ever removed; a
column that the YAML drops stays in the table and is null in new versions of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl.errors import ContractBroken
from etl.model.schema import Column, ColumnType, Contract, SchemaChange, TableSchema
from etl.model.stream import Stream
from etl.normalize.conversion import Misfit, Refused, converter
from etl.normalize.fields import Fields, Leaves, Path
from etl.normalize.literals import is_null, join, suggestion
from etl.normalize.naming import EXTRA, MAX_COLUMNS, column_name

OVERFLOW: Path = ()
"""The path of the column `_extra`."""


@dataclass(slots=True)
class _Seen:
    """What a page shows of one path that the schema does not hold yet, or holds too narrowly."""

    type: ColumnType = ColumnType.UNKNOWN
    sample: bytes = b"null"


@dataclass(slots=True)
class _Growth:
    columns: list[Column]
    changes: list[SchemaChange] = field(default_factory=list)

    def add(self, path: Path, type_: ColumnType, fields: Fields, sample: bytes = b"") -> None:
        taken = {column.name.casefold() for column in self.columns}
        declared = fields.declared(path)
        column = Column(
            name=EXTRA if path == OVERFLOW else column_name(path, taken),
            type=declared or type_,
            path=path,
            declared=declared is not None,
            volatile=fields.choice(path).volatile if path else False,
        )
        self.columns.append(column)
        self.changes.append(SchemaChange(column=column.name, old=None, new=column.type, sample=_sample(sample)))

    def retype(self, place: int, type_: ColumnType, sample: bytes = b"", *, declared: bool = False) -> None:
        column = self.columns[place]
        self.columns[place] = replace(column, type=type_, declared=declared)
        self.changes.append(SchemaChange(column=column.name, old=column.type, new=type_, sample=_sample(sample)))


def settled(schema: TableSchema, fields: Fields) -> tuple[TableSchema, tuple[SchemaChange, ...]]:
    """The stored schema under the configuration of today: declared types, volatile flags, the key."""
    growth = _Growth(list(schema.columns))
    for place, column in enumerate(schema.columns):
        if column.path == OVERFLOW:
            continue
        choice = fields.choice(column.path)
        growth.columns[place] = replace(column, declared=choice.type is not None, volatile=choice.volatile)
        if choice.type is not None and choice.type is not column.type:
            growth.retype(place, choice.type, declared=True)
    if schema.version:
        _add_wanted(growth, fields)
    return _next(schema, growth, fields)


def evolved(
    schema: TableSchema, items: Sequence[Leaves], stream: Stream, fields: Fields
) -> tuple[TableSchema, tuple[SchemaChange, ...]]:
    """The schema that holds these items, and what changed; the same schema when it holds them already.

    Raises ContractBroken under `contract: freeze`, except while the table does not exist.
    """
    known = {column.path: place for place, column in enumerate(schema.columns)}
    frozen = stream.contract is Contract.FREEZE and schema.version > 0
    growth = _Growth(list(schema.columns))
    for path, seen in _unfitting(items, schema, known, fields).items():
        place = known.get(path)
        if place is not None:
            _widen(growth, place, seen, stream if frozen else None)
        elif frozen:
            raise _unknown_field(path, seen, stream)
        elif schema.version == 0 or stream.contract is not Contract.IGNORE or path in fields.wanted:
            _append(growth, path, seen, fields)
    if items and not schema.version:
        _add_wanted(growth, fields)
    return _next(schema, growth, fields)


def _unfitting(
    items: Iterable[Leaves], schema: TableSchema, known: Mapping[Path, int], fields: Fields
) -> dict[Path, _Seen]:
    """Paths the schema does not hold, or whose column does not hold a literal, in order of appearance."""
    found: dict[Path, _Seen] = {}
    reads = [
        None if column.declared else converter(column, is_key=column.path in fields.key) for column in schema.columns
    ]
    for leaves in items:
        for path, raw in leaves.items():
            place = known.get(path)
            if place is not None:
                read = reads[place]
                if read is None or is_null(raw) or (path not in found and _holds(read, raw)):
                    continue
            _note(found.setdefault(path, _Seen()), path, raw, fields)
    objects = {path[:end] for path in (*found, *known) for end in range(1, len(path))} - set(fields.extracted)
    flat = {path for path in objects if len(path) <= fields.flatten}
    # A null where other items hold an object that is flattened is the absence of that object, not a column.
    return {path: seen for path, seen in found.items() if seen.type is not ColumnType.UNKNOWN or path not in flat}


def _note(seen: _Seen, path: Path, raw: bytes, fields: Fields) -> None:
    kind = suggestion(raw)
    if kind is ColumnType.TIMESTAMP and path in fields.text_only:
        kind = ColumnType.TEXT
    joined = join(seen.type, kind)
    if joined is not seen.type:
        seen.type, seen.sample = joined, raw


def _holds(read: object, raw: bytes) -> bool:
    try:
        read(raw)  # type: ignore[operator]
    except Misfit:
        return False
    except Refused:
        return True
    return True


def _widen(growth: _Growth, place: int, seen: _Seen, frozen: Stream | None) -> None:
    column = growth.columns[place]
    wider = join(column.type, seen.type)
    if wider is column.type:
        # The same kind of literal, and yet it does not fit: a bound of the type, not its name, is in the way.
        wider = ColumnType.NUMERIC if column.type is ColumnType.DOUBLE else ColumnType.TEXT
    if frozen is not None and column.type is not ColumnType.UNKNOWN:
        raise ContractBroken(
            f"{frozen.id}: {'.'.join(column.path)} does not fit its type {column.type}",
            why=f"`contract: freeze`, and a value is {_sample(seen.sample)}",
            hint=f"declare it: `columns: {{{column.name}: {wider}}}`",
        )
    growth.retype(place, wider, seen.sample)


def _append(growth: _Growth, path: Path, seen: _Seen, fields: Fields) -> None:
    if len(growth.columns) < MAX_COLUMNS - 1 or path in fields.wanted:
        growth.add(path, seen.type, fields, seen.sample)
    elif growth.columns[-1].path != OVERFLOW and all(column.path != OVERFLOW for column in growth.columns):
        growth.add(OVERFLOW, ColumnType.JSON, fields)


def _add_wanted(growth: _Growth, fields: Fields) -> None:
    present = {column.path for column in growth.columns}
    for path in fields.wanted:
        if path not in present:
            growth.add(path, ColumnType.UNKNOWN, fields)


def _next(schema: TableSchema, growth: _Growth, fields: Fields) -> tuple[TableSchema, tuple[SchemaChange, ...]]:
    names = {column.path: column.name for column in growth.columns}
    key = tuple(names[path] for path in fields.key if path in names)
    version = schema.version + (1 if growth.changes else 0)
    return TableSchema(version=version, columns=tuple(growth.columns), key=key), tuple(growth.changes)


def _unknown_field(path: Path, seen: _Seen, stream: Stream) -> ContractBroken:
    name = "__".join(path)
    kind = ColumnType.TEXT if seen.type is ColumnType.UNKNOWN else seen.type
    return ContractBroken(
        f"{stream.id}: the API sends a new field {'.'.join(path)!r}",
        why=f"`contract: freeze`, and a value is {_sample(seen.sample)}",
        hint=f"take it in with `columns: {{{name}: {kind}}}`, or leave it out with `columns: {{{name}: drop}}`",
    )


def _sample(raw: bytes) -> str:
    return raw.decode(errors="replace")[:200]
