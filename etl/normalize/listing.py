"""Where the items of a page are: an array, one object, parallel arrays, rows with names, a map, or nested lists.

Whatever the shape, the outcome is a list of literals, one an item. A page whose records are missing or null is no page:
zero rows would look like the end of the list, and the rest of it would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import Final

import jmespath
import msgspec
from msgspec import Raw

from etl.errors import MalformedPage
from etl.model.selector import Selector
from etl.model.stream import Stream
from etl.model.template import Template
from etl.normalize.envelope import Document, evaluate
from etl.normalize.fields import OUTER, Path, literal_at, members
from etl.normalize.literals import is_nested, is_object

_lists: Final = msgspec.json.Decoder(list[Raw])
_encode: Final = msgspec.json.Encoder().encode
_DEEPEST: Final = 3
"""How far down in an answer a list is looked for that a hint could name."""


class Listing:
    """Reads the items of a body for one stream."""

    def __init__(self, stream: Stream) -> None:
        self._records = stream.records
        self._embedded: tuple[tuple[str, Template], ...] = tuple(
            (name, template) for name, template in stream.add if OUTER in template.names
        )
        self.plain: Path | None = stream.records.path.plain if stream.records.kind == "objects" else None
        """The path of the array when it stands in the body as it is; the compiled route can take it from there."""

    def items(self, document: Document, variables: Mapping[str, object]) -> list[bytes]:
        """The literals of the items; raises MalformedPage when the records are missing, null, or of another shape."""
        found = select(self._records.path, document)
        if found is None or found == b"null":
            raise MalformedPage(
                f"the answer has no records at {self._records.path.path or '@'!r}",
                why=f"it begins with {' '.join(document.body[:200].decode(errors='replace').split())[:120]}",
                hint=_elsewhere(document) or "compare `records` with a real answer",
                reason="records-missing",
            )
        match self._records.kind:
            case "columns":
                return self._columns(found)
            case "rows":
                return self._rows(found, document)
            case "map":
                return list(starmap(self._mapped, members(self._object(found)).items()))
            case "nested":
                return [item for outer in elements(found) for item in self._inner(outer, variables)]
            case _:
                return elements(found)

    def _columns(self, found: bytes) -> list[bytes]:
        arrays = {name: elements(array) for name, array in members(self._object(found)).items()}
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) > 1:
            raise self._misshapen(f"its columns have different lengths: {sorted(lengths)}")
        return [
            _encode(dict(zip(arrays, map(Raw, values), strict=True))) for values in zip(*arrays.values(), strict=True)
        ]

    def _rows(self, found: bytes, document: Document) -> list[bytes]:
        names = select(self._records.names, document) if self._records.names else None
        try:
            columns = msgspec.json.decode(names or b"null", type=list[str])
        except msgspec.ValidationError:
            raise self._misshapen("the names of its columns are missing") from None
        return [_named(columns, row) for row in elements(found)]

    def _mapped(self, key: str, value: bytes) -> bytes:
        inner = members(value) if is_object(value) else {"value": value}
        return _encode({self._records.key_name: key} | {name: Raw(member) for name, member in inner.items()})

    def _inner(self, outer: bytes, variables: Mapping[str, object]) -> list[bytes]:
        inner = select(self._records.inner, Document(outer)) if self._records.inner else None
        items = [] if inner is None or inner == b"null" else elements(inner)
        if not self._embedded:
            return items
        values = {**variables, OUTER: Document(outer).tree}
        added = {name: template.render(values) for name, template in self._embedded}
        return [
            _encode({name: Raw(member) for name, member in members(item).items()} | added) if is_object(item) else item
            for item in items
        ]

    def _object(self, found: bytes) -> bytes:
        if not is_object(found):
            raise self._misshapen("it is no object")
        return found

    def _misshapen(self, why: str) -> MalformedPage:
        return MalformedPage(
            f"the records at {self._records.path.path!r} are not in the form {self._records.kind!r}",
            why=why,
            reason="records-shape",
        )


def _elsewhere(document: Document) -> str:
    """A hint at the lists of objects that the answer does hold; empty where there is none, or where it is no JSON."""
    try:
        found = [".".join(path) for path in _lists_of_objects(document.tree, ())]
    except MalformedPage:
        return ""
    return f"it has a list of objects at {', '.join(found[:4])}: is that `records`?" if found else ""


def _lists_of_objects(node: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(node, list) and path and node and all(isinstance(one, dict) for one in node):
        yield path
    elif isinstance(node, dict) and len(path) < _DEEPEST:
        for name, member in node.items():
            yield from _lists_of_objects(member, (*path, str(name)))


def select(selector: Selector | None, document: Document) -> bytes | None:
    """The literal a selector of the body finds; None where there is none."""
    if selector is None:
        return None
    path = selector.plain
    if path == ():
        return document.body
    if path is not None:
        return literal_at(path, members(document.body)) if is_object(document.body) else None
    found = evaluate(jmespath.compile(selector.path), document)
    return None if found is None else _encode(found)


def elements(literal: bytes) -> list[bytes]:
    """The elements of an array; one object is one element. Raises MalformedPage for anything else."""
    if is_object(literal):
        return [literal]
    if not is_nested(literal):
        raise MalformedPage(
            "the answer has no list of records",
            why=f"it has {literal[:80].decode(errors='replace')}",
            reason="records-missing",
        )
    return list(map(bytes, _lists.decode(literal)))


def _named(columns: list[str], row: bytes) -> bytes:
    """A row with its names; a row of another length stays a list, and becomes a reject as such."""
    values = _lists.decode(row) if row[:1] == b"[" else []
    return _encode(dict(zip(columns, values, strict=True))) if len(values) == len(columns) else row
