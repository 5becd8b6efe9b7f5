"""The members of a stream: `for_each` as `model.member.ForEach`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from etl.model.member import ForEach, FromRows, Listed, name_of
from etl.model.template import Template
from etl.settings.building.desk import Texts
from etl.settings.building.request import PAGE_NAMES, WINDOW_NAMES
from etl.settings.document import Path

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TAKEN: Final = (*PAGE_NAMES, *WINDOW_NAMES, "outer")


def build_members(written: Mapping[str, object] | None, source: str, texts: Texts) -> ForEach | None:
    """The variables with their values or columns; None without `for_each`."""
    if not written:
        return None
    listed: list[Listed] = []
    columns: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, value in written.items():
        here: Path = ("for_each", name)
        if not _NAME.fullmatch(name) or name in _TAKEN:
            hint = f"{', '.join(_TAKEN)} have a meaning of their own" if name in _TAKEN else "letters, digits and _"
            texts.problem(here, f"{name!r} is no possible name of a variable", hint=hint, at_key=True)
        elif isinstance(value, list):
            listed.append(Listed(name=name, values=tuple(_values(name, value, here, texts))))
        elif isinstance(value, str):
            stream, _, path = value.partition(".")
            columns[name] = stream, tuple(path.split("."))
    return ForEach(listed=tuple(listed), rows=_rows(columns, source, texts))


def _rows(columns: Mapping[str, tuple[str, tuple[str, ...]]], source: str, texts: Texts) -> FromRows | None:
    streams = list(dict.fromkeys(stream for stream, _ in columns.values()))
    if not streams:
        return None
    for name, (stream, _) in columns.items():
        if stream != streams[0]:
            message = f"comes from `{stream}`, and another variable from `{streams[0]}`"
            texts.problem(("for_each", name), message, hint="all variables from rows are columns of one stream's rows")
    return FromRows(stream=f"{source}.{streams[0]}", columns=tuple((name, path) for name, (_, path) in columns.items()))


def _values(name: str, written: list[object], here: Path, texts: Texts) -> Iterable[object]:
    """The values that can be members, each once."""
    if not written:
        texts.problem(here, "has no member", hint="a stream for nothing reads nothing: leave it out", at_key=True)
    seen: dict[str, int] = {}
    for index, value in enumerate(written):
        found = _value(value, (*here, index), texts)
        if found is None:
            continue
        known = seen.setdefault(name_of({name: found}), index)
        if known != index:
            texts.problem((*here, index), f"stands here twice, first as number {known + 1}")
        else:
            yield found


def _value(value: object, path: Path, texts: Texts) -> object:
    """A text, number, boolean or map; None, and a problem, for anything else."""
    if isinstance(value, Mapping) and value:
        return {part: _part(inner, (*path, part), texts) for part, inner in value.items()}
    if value is None or isinstance(value, list | Mapping):
        texts.problem(path, "a member is a text, a number, or a map of them")
        return None
    if isinstance(value, float) and texts.written(value, path) != repr(value):
        return texts.written(value, path)  # `1.10` is a version, and would be sent as 1.1
    return _part(value, path, texts)


def _part(value: object, path: Path, texts: Texts) -> object:
    """A value as it stands; a variable in it would make a secret, or another tenant, part of a stored name."""
    if isinstance(value, str) and "${" in value:
        hint = "members are stored and shown by their names: write them out, or put the variable into `path`"
        texts.problem(path, "a member cannot come from the environment", hint=hint)
    if isinstance(value, float) and value - value != 0:
        texts.problem(path, "there is no such number in a request")
    return value


def check_members(
    for_each: ForEach | None, templates: Iterable[tuple[Path, Template]], added: Mapping[str, Template], texts: Texts
) -> None:
    """Report variables that no request holds, and placeholders for parts that a member does not have."""
    if for_each is None:
        return
    values = {one.name: one.values for one in for_each.listed}
    used: set[str] = set()
    for path, template in templates:
        used |= template.names
        _check_parts(path, template, values, texts, whole=path[0] == "json")
    for name, template in added.items():
        _check_parts(("add", name), template, values, texts, whole=True)
    for name in for_each.names:
        if name not in used:
            message = f"no request holds {{{name}}}, so every member would be asked for the same list"
            hint = f'write "{{{name}}}" into path, params, headers or the body; null takes out what is inherited'
            texts.problem(("for_each", name), message, hint=hint, at_key=True)


def _check_parts(
    path: Path, template: Template, values: Mapping[str, tuple[object, ...]], texts: Texts, *, whole: bool
) -> None:
    for placeholder in template.placeholders:
        for value in values.get(placeholder.root, ()):
            if placeholder.value({placeholder.root: value}) is None:
                part = placeholder.name.partition(".")[2]
                message = f"the member {name_of({placeholder.root: value})} has no `{part}`"
                texts.problem(path, message, hint=_parts_of(value, placeholder.root))
                return
            if isinstance(placeholder.value({placeholder.root: value}), Mapping) and not (whole or placeholder.mode):
                message = f"{{{placeholder.name}}} is a map, which this place cannot hold"
                hint = f"{_parts_of(value, placeholder.root)}, or {{{placeholder.name}:json}} for its JSON"
                texts.problem(path, message, hint=hint)
                return


def _parts_of(value: object, root: str) -> str:
    if not isinstance(value, Mapping):
        return f"it is a single value: {{{root}}}"
    return "its parts: " + ", ".join(f"{{{root}.{part}}}" for part in value)
