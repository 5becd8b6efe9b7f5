"""The careful route: an item at a time, with a reason for every item that does not become a row.

The schema grows only by items that would become rows: an error object among the items must not add columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from etl.model.instants import Cursor
from etl.model.page import Reject, Row
from etl.model.schema import Column, Contract
from etl.model.stream import Stream
from etl.normalize.conversion import MAX_DEPTH, Convert, Misfit, Refused, check_depth, converter
from etl.normalize.fields import Fields, Leaves, Path
from etl.normalize.layout import MAX_KEY, Layout, key_text
from etl.normalize.literals import is_nested, is_null, is_object

MAX_RAW: Final = 64 * 1024
"""Bytes of a rejected item that are kept."""


@dataclass(slots=True)
class Draft:
    """An item on its way; `reason` is empty while it may still become a row."""

    index: int
    raw: bytes
    leaves: Leaves = field(default_factory=dict)
    reason: str = ""
    path: str = "$"

    def refuse(self, reason: str, path: Path = ()) -> None:
        """It will be a reject."""
        self.reason, self.path = reason, ".".join(("$", *path))


@dataclass(slots=True)
class CarefulRows:
    """The rows of a page in parallel lists, its rejects, and the keys of all items in page order (None: unreadable)."""

    rows: list[Row] = field(default_factory=list)
    keys: list[Row] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    cursors: list[Cursor | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    key_texts: list[bytes | None] = field(default_factory=list)
    accepted: list[Draft] = field(default_factory=list)


class CarefulRoute:
    """Reads items one at a time for one stream."""

    def __init__(self, stream: Stream, fields: Fields, max_record_bytes: int) -> None:
        self._stream = stream
        self._fields = fields
        self._max_record_bytes = max_record_bytes
        self._declared: dict[Path, Convert | None] = {}

    def drafts(self, items: list[bytes], constants: Leaves) -> list[Draft]:
        """What each item is made of, checked against what the YAML declares. Raises TooDeep for the whole page."""
        return [self._draft(index, raw, constants) for index, raw in enumerate(items)]

    def rows(self, drafts: list[Draft], layout: Layout) -> CarefulRows:
        """The drafts as rows and rejects of a layout that has been evolved to hold them."""
        out = CarefulRows()
        for draft in drafts:
            key = self._take(draft, layout, out) if not draft.reason else None
            if draft.reason:
                key = self._key_of(draft, layout)
                out.rejects.append(
                    Reject(
                        index=draft.index,
                        reason=draft.reason,
                        path=draft.path,
                        raw=draft.raw[:MAX_RAW],
                        key=None if key is None else key.decode(),
                    )
                )
            out.key_texts.append(key)
        return out

    def _draft(self, index: int, raw: bytes, constants: Leaves) -> Draft:
        draft = Draft(index, raw)
        if len(raw) > self._max_record_bytes:
            draft.refuse(f"the record has {len(raw):,} bytes, the limit is {self._max_record_bytes:,}")
            return draft
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
            # A column may be nested up to the limit; the item and the objects that are flattened stand around it.
            check_depth(raw, MAX_DEPTH + 1 + self._fields.flatten)
        if not is_object(raw):
            draft.refuse(f"expected an object, got {raw[:40].decode(errors='replace')}")
            return draft
        draft.leaves = self._fields.leaves(raw) | constants
        for path in self._fields.key:
            literal = draft.leaves.get(path, b"null")
            if is_null(literal) or is_nested(literal):  # it would make the key's column json, which no key can be
                draft.refuse("key is missing" if is_null(literal) else "key is an object or a list", path)
                return draft
        self._check_declared(draft)
        return draft

    def _check_declared(self, draft: Draft) -> None:
        for path, raw in draft.leaves.items():
            try:
                convert = self._declared[path]
            except KeyError:
                convert = self._declared[path] = self._converter(path)
            if convert is None or is_null(raw):
                continue
            try:
                convert(raw)
            except (Misfit, Refused) as problem:
                draft.refuse(_reason(problem, raw), path)
                return

    def _converter(self, path: Path) -> Convert | None:
        type_ = self._fields.declared(path)
        if type_ is None:
            return None
        incremental = self._stream.incremental
        return converter(
            Column(name="", type=type_, path=path, declared=True),
            is_key=path in self._fields.key,
            cursor=incremental.format if incremental and incremental.field == path else None,
        )

    def _take(self, draft: Draft, layout: Layout, out: CarefulRows) -> bytes | None:
        values = self._values(draft, layout)
        if draft.reason:
            return None
        try:
            cursor = layout.cursor_of(values)
        except Misfit as problem:
            draft.refuse(f"expected {problem}", layout.schema.columns[layout.cursor or 0].path)
            return None
        row = layout.stored(values)
        key = layout.key_of(row)
        if None in key:
            draft.refuse("key is missing")
            return None
        text = key_text(key) if key else None
        if text is not None and len(text) > MAX_KEY:
            draft.refuse(f"key of {len(text):,} bytes, no index takes more than {MAX_KEY:,}")
            return None
        out.rows.append(row)
        out.keys.append(key)
        out.hashes.append(layout.hash_of(row))
        out.cursors.append(cursor)
        out.accepted.append(draft)
        return text

    def _values(self, draft: Draft, layout: Layout) -> list[Any]:
        values: list[Any] = []
        for place, column in enumerate(layout.schema.columns):
            raw = draft.leaves.get(column.path)
            try:
                values.append(layout.value(place, raw))
            except (Misfit, Refused) as problem:
                draft.refuse(_reason(problem, raw or b""), column.path)
                return values
        if layout.extra is not None and self._stream.contract is Contract.EVOLVE:
            values[layout.extra] = _overflow(draft.leaves, layout)
        return values

    def _key_of(self, draft: Draft, layout: Layout) -> bytes | None:
        if not layout.key or not draft.leaves:
            return None
        columns = layout.schema.columns
        try:
            values = [layout.value(place, draft.leaves.get(columns[place].path)) for place in layout.key]
        except (Misfit, Refused):
            return None
        if None in values:
            return None
        return key_text(tuple(layout.stores[place](value) for place, value in zip(layout.key, values, strict=True)))


def _overflow(leaves: Leaves, layout: Layout) -> str | None:
    """The fields that have no column of their own, as one JSON object."""
    rest = {
        ".".join(path): msgspec.Raw(raw) for path, raw in leaves.items() if path not in layout.index and raw != b"null"
    }
    return msgspec.json.encode(rest).decode() if rest else None


def _reason(problem: Exception, raw: bytes) -> str:
    if isinstance(problem, Refused):
        return str(problem)
    return f"expected {problem}, got {raw[:60].decode(errors='replace')}"
