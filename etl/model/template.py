"""Text with placeholders, as it stands in a request: `created>={start}`, `{page}`, `{city.lat}`, `{x:raw}`.

`{{` and `}}` are literal braces. A template that is exactly one placeholder keeps its value's type. A placeholder
whose value is None makes the whole template None, and the parameter that holds it is left out of the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard
from urllib.parse import quote

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.]*)(?::(\w+))?\}|\{|\}")
MODES: Final = ("", "str", "json", "raw")
_WRITTEN: Final = "written"
_LONE_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`{name}` or `{name:mode}`; modes are `str` (as text), `json` (as JSON text), `raw` (not percent-encoded)."""

    name: str
    mode: str = ""

    @property
    def root(self) -> str:
        """The first part of a dotted name: `city` of `{city.lat}`."""
        return self.name.partition(".")[0]

    def value(self, values: Mapping[str, object]) -> object:
        """Look the name up, dots going into mappings; None when any part is absent."""
        found: object = values
        for part in self.name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        if found is None or self.mode in ("", "raw", _WRITTEN):
            return found
        return json.dumps(found, ensure_ascii=False) if self.mode == "json" else _text(found)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text; `parts` alternate between literal text and placeholders."""

    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises ValueError at a lone brace or an unknown mode, naming it."""
        parts: list[str | Placeholder] = []
        literal, end = "", 0
        for token in _TOKEN.finditer(text):
            literal += text[end : token.start()]
            end = token.end()
            if token[1] is None:
                if token[0] not in ("{{", "}}"):
                    raise ValueError(f"a lone {token[0]!r} in {text!r}; write {token[0] * 2} for a literal brace")
                literal += token[0][0]
                continue
            mode = token[2] or ""
            if mode not in MODES:
                raise ValueError(f"unknown mode {mode!r} in {token[0]}; one of str, json, raw")
            parts += [literal, Placeholder(token[1], mode)] if literal else [Placeholder(token[1], mode)]
            literal = ""
        literal += text[end:]
        if literal or not parts:
            parts.append(literal)
        return cls(tuple(parts))

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """In order of appearance."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    @property
    def names(self) -> frozenset[str]:
        """The roots of all placeholders."""
        return frozenset(placeholder.root for placeholder in self.placeholders)

    @property
    def is_single(self) -> bool:
        """Exactly one placeholder and nothing around it."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Placeholder)

    def with_written(self, names: Container[str]) -> Template:
        """The same, where the values of those placeholders stand in the file: a path holds them as written."""
        return Template(
            tuple(Placeholder(part.name, _WRITTEN) if _is_plain(part, names) else part for part in self.parts)
        )

    def render(self, values: Mapping[str, object]) -> object:
        """The filled text, the value itself for a single placeholder, None when a value is missing."""
        first = self.parts[0]
        if len(self.parts) == 1 and isinstance(first, Placeholder):
            return first.value(values)
        filled = [part.value(values) if isinstance(part, Placeholder) else part for part in self.parts]
        return None if any(part is None for part in filled) else "".join(map(_text, filled))

    def render_path(self, values: Mapping[str, object]) -> str | None:
        """As `render`, each value percent-encoded as one path segment unless its mode is `raw`.

        What a person wrote into the file keeps its slashes, and what is encoded already: a documentation shows it so.
        """
        filled = ""
        for part in self.parts:
            if isinstance(part, str):
                filled += part
                continue
            value = part.value(values)
            if value is None:
                return None
            filled += _in_path(_text(value), part.mode)
        return filled


def _is_plain(part: str | Placeholder, names: Container[str]) -> TypeGuard[Placeholder]:
    return isinstance(part, Placeholder) and not part.mode and part.root in names


def _in_path(text: str, mode: str) -> str:
    if mode == "raw":
        return text
    return _LONE_PERCENT.sub("%25", quote(text, safe="/%")) if mode == _WRITTEN else quote(text, safe="")


Body = Template | str | int | float | bool | None | Mapping[str, "Body"] | tuple["Body", ...]
"""A JSON body whose texts may hold placeholders."""

OMITTED: Final = object()


def render_body(body: Body, values: Mapping[str, object]) -> object:
    """Fill a JSON body; members and elements whose template has no value are left out."""
    if isinstance(body, Template):
        rendered = body.render(values)
        return OMITTED if rendered is None else rendered
    if isinstance(body, Mapping):
        members = {name: render_body(member, values) for name, member in body.items()}
        return {name: member for name, member in members.items() if member is not OMITTED}
    if isinstance(body, tuple):
        return [e for e in (render_body(element, values) for element in body) if e is not OMITTED]
    return body


def body_names(body: Body) -> frozenset[str]:
    """The roots of all placeholders anywhere in a body."""
    if isinstance(body, Template):
        return body.names
    if isinstance(body, Mapping):
        return frozenset().union(*map(body_names, body.values()))
    if isinstance(body, tuple):
        return frozenset().union(*map(body_names, body))
    return frozenset()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
