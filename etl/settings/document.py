"""A YAML file as plain values, and where each of them stands.

YAML 1.2's core rules for scalars: `on`, `no`, `1:30` and a bare date stay text, `012` is 12, so that a country code or
a date means what it looks like. Easy to get wrong: the C composer recurses, so a file's depth is bounded on its events
before anything is composed, or a few kilobytes of brackets would end the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final

import yaml

from etl.errors import Problem

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: ten times slower, and the same to everybody else
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

LARGEST_FILE: Final = 1024 * 1024
_DEEPEST: Final = 40
_MOST_ALIASES: Final = 200
_MOST_NODES: Final = 200_000
"""Aliases included: a few lines of anchors can stand for billions of nodes."""

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of a file to a value."""

_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One parsed file. Keys of `data`'s maps are text as written. Lines and columns count from 1.

    `places` tells where a value begins and `keys` where the key before it does; `texts` holds how a scalar that is no
    text was written (`1.10` for 1.1), for places where it is sent as text.
    """

    file: str
    data: object
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    keys: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    texts: Mapping[Path, str] = field(default_factory=dict, repr=False)

    def problem(self, path: Path, message: str, *, hint: str = "", at_key: bool = False) -> Problem:
        """A problem at the deepest place known on the way to `path`."""
        line, column = self.place(path, at_key=at_key)
        return Problem(file=self.file, line=line, column=column, path=dotted(path), message=message, hint=hint)

    def place(self, path: Path, *, at_key: bool = False) -> tuple[int, int]:
        """Line and column; of the nearest enclosing value when `path` itself is not in the file."""
        for length in range(len(path), -1, -1):
            prefix = path[:length]
            found = (self.keys.get(prefix) if at_key else None) or self.places.get(prefix)
            if found:
                return found
        return (1, 1)


class Unreadable(Exception):
    """The file is no configuration at all; carries its one problem or several duplicate keys."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def dotted(path: Path) -> str:
    """`streams.items.pages.size`, as messages name a place."""
    return ".".join(map(str, path))


def read_document(path: FilePath, name: str) -> Document:
    """Read one file; `name` is what messages call it. Raises Unreadable."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unreadable(_whole(name, f"cannot be read: {error.strerror}")) from None
    if len(raw) > LARGEST_FILE:
        raise Unreadable(_whole(name, "is larger than 1 MiB"))
    try:
        return parse_document(raw.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise Unreadable(_whole(name, "is not UTF-8 text")) from None


def parse_document(text: str, name: str) -> Document:
    """Parse the text of one file. An empty one is an empty map. Raises Unreadable."""
    try:
        _refuse_bombs(text, name)
        loader = _Core(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_syntax(error, name)) from None
    except yaml.YAMLError:
        raise Unreadable(_whole(name, "holds a character that YAML does not allow")) from None
    walk = _Walk(name)
    data = walk.value(root, ()) if root is not None else None
    if walk.problems:
        raise Unreadable(*walk.problems)
    return Document(file=name, data={} if data is None else data, places=walk.places, keys=walk.keys, texts=walk.texts)


class _Core(_Loader):
    """The loader with the scalar rules of YAML 1.2's core schema in place of those of 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name


_Core.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Core.add_implicit_resolver(_TAG + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Core.add_implicit_resolver(
    _TAG + "int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Core.add_implicit_resolver(
    _TAG + "float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def _refuse_bombs(text: str, name: str) -> None:
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Core):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > _DEEPEST or aliases > _MOST_ALIASES:
            what = (
                f"is nested deeper than {_DEEPEST}" if depth > _DEEPEST else f"uses more than {_MOST_ALIASES} aliases"
            )
            line, column = _mark(event)
            raise Unreadable(Problem(file=name, line=line, column=column, path="", message=f"the file {what}"))


class _Walk:
    """Builds data and places from the nodes in one pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self.texts: dict[Path, str] = {}
        self.problems: list[Problem] = []
        self._nodes = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> object:
        self.places[path] = _mark(node)
        self._nodes += 1
        if self._nodes > _MOST_NODES or id(node) in self._open:
            self._complain(node, path, "aliases make this value endless or far too large")
            raise Unreadable(*self.problems)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self._open.discard(id(node))
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, "a key has to be a plain text", "quote a {placeholder} or ${NAME}")
                continue
            key = key_node.value
            here = (*path, key)
            if key in found:
                self._complain(key_node, here, f"`{key}` stands here twice, first in line {self.keys[here][0]}")
                continue
            self.keys[here] = _mark(key_node)
            found[key] = self.value(value_node, here)
        return found

    def _sequence(self, node: yaml.Node, path: Path) -> list[object]:
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return text
        self.texts[path] = text
        try:
            return _SCALARS[kind](text)
        except KeyError:
            self._complain(node, path, f"the tag {node.tag!r} is not used here")
        except ValueError:
            self._complain(node, path, "this number cannot be read")
        return None

    def _complain(self, node: yaml.Node, path: Path, message: str, hint: str = "") -> None:
        line, column = _mark(node)
        self.problems.append(
            Problem(file=self.name, line=line, column=column, path=dotted(path), message=message, hint=hint)
        )


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Final = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
}


def _mark(node: yaml.Node | yaml.Event) -> tuple[int, int]:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _whole(name: str, message: str) -> Problem:
    return Problem(file=name, line=0, column=0, path="", message=message)


_TABS: Final = "YAML indents by blanks, never by tabs; texts that begin with @, ` or % need quotes"
_QUOTES: Final = "texts that begin with { [ * & ! % @ or hold ': ' need quotes"


def _syntax(error: yaml.MarkedYAMLError, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(
        file=name,
        line=mark.line + 1 if mark else 0,
        column=mark.column + 1 if mark else 0,
        path="",
        message=f"not valid YAML: {what}",
        hint=_TABS if "cannot start any token" in what else _QUOTES,
    )
