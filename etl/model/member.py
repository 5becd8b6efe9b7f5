"""The members of `for_each`: a stream is read once for each of them, side by side.

Easy to get wrong: a member's name is its identity for years (its watermark and its coverage hang on it), so it is made
of the value alone, never of its place in a list or of a configured default.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

LONGEST_NAME: Final = 200
"""Bytes of UTF-8; the name stands in indexes, and PostgreSQL bounds what an index can hold."""
_KEPT: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: its name in ledger, watermarks and coverage, and the values its placeholders take.

    `may_be_gone`: it was a row of another stream, so the API may have deleted it since; "not found" is no failure then.
    """

    name: str
    variables: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)
    may_be_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A variable whose values stand in the file: texts, numbers, booleans, or maps of them."""

    name: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FromRows:
    """Variables that are columns of another stream's rows; each distinct combination is a member.

    `stream` is that stream as `source.stream`; `columns` are the variables, each with its path into an item.
    """

    stream: str
    columns: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach:
    """What a stream is read for. Several variables make a product; those from rows take one row at a time."""

    listed: tuple[Listed, ...] = ()
    rows: FromRows | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All variables."""
        columns = self.rows.columns if self.rows is not None else ()
        return (*(one.name for one in self.listed), *(name for name, _ in columns))

    def members(self, row: Mapping[str, object] | None = None) -> Iterator[Member]:
        """All members, or with `row` (the values of the variables from rows) those that one row makes."""
        names = [one.name for one in self.listed]
        for values in itertools.product(*(one.values for one in self.listed)):
            variables = {**(row or {}), **dict(zip(names, values, strict=True))}
            yield Member(name=name_of(variables), variables=variables, may_be_gone=row is not None)


def name_of(variables: Mapping[str, object]) -> str:
    """The name of a member: the value itself where one variable holds a text or a number, else canonical JSON.

    A name longer than 200 bytes keeps its beginning and ends with a hash of the whole.
    """
    (first, *others) = variables.values()
    plain = not others and not isinstance(first, Mapping | list | tuple)
    name = _text(first) if plain else canonical(first if not others else variables)
    if plain and (not name or not name.isprintable()):
        name = json.dumps(first)  # an empty name is a stream's own, and no database stores a NUL
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = hashlib.blake2b(encoded, digest_size=12).hexdigest()
    return f"{encoded[:_KEPT].decode('utf-8', 'ignore')}…{digest}"


def canonical(value: object) -> str:
    """JSON with sorted keys and no blanks: equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
