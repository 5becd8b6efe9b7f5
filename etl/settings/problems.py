"""What is wrong in a file, in plain words: pydantic's errors and our own, gathered instead of raised one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from etl.errors import Problem
from etl.settings.document import Document, Path
from etl.settings.format.part import Part

_Model = TypeVar("_Model", bound=Part)

_WORDS: Final = {
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "list_type": "should be a list",
    "dict_type": "should be a map",
    "model_type": "should be a map",
    "missing": "is required",
    "string_too_short": "is empty",
    "too_short": "has too few members",
}
_ELSEWHERE: Final = {
    "ordered": "`ordered` belongs under `incremental` (sorted by its field) or `pages` (sorted by the key)",
    "<<": "merge keys are no part of YAML 1.2; use `defaults`",
    "url": "did you mean `base_url` (of the source) or `path` (of a stream)?",
}
_REQUIRED: Final = {
    "base_url": "the address of the API, as in base_url: https://api.example.org/v1",
    "streams": "the lists to read, as in streams: {items: {path: /items, key: id}}",
}
_NAME: Final = "lower-case letters, digits and _, at most 48 of them"
_TABLE: Final = "lower-case letters, digits and _, no digit first, at most 63 of them"


def read_part(model: type[_Model], document: Document, data: object, at: Path = ()) -> _Model | tuple[Problem, ...]:
    """`data`, which stands at `at` in the document, as a checked part of the format, or everything wrong with it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        schema = model.model_json_schema(by_alias=True)
        details = error.errors(include_url=False, include_input=False, include_context=True)
        strangers = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
        return tuple(
            _problem(document, at, detail, schema) for detail in details if not _is_mistyped(detail, strangers)
        )


def _is_mistyped(detail: ErrorDetails, strangers: Sequence[tuple[int | str, ...]]) -> bool:
    """Whether a key is missing only because it stands there under a name like it, which is told already."""
    *around, name = detail["loc"] or ("",)
    beside = [str(loc[-1]) for loc in strangers if list(loc[:-1]) == around]
    return detail["type"] == "missing" and bool(get_close_matches(str(name), beside, n=1, cutoff=0.6))


def near(name: str, known: Sequence[str]) -> str:
    """A hint: the nearest known name, or the known ones when none is near and they are few."""
    matches = get_close_matches(name, known, n=1, cutoff=0.6)
    if matches:
        return f"did you mean `{matches[0]}`?"
    return f"possible here: {', '.join(sorted(known))}" if 0 < len(known) <= 16 else ""


def _problem(document: Document, at: Path, detail: ErrorDetails, schema: Mapping[str, Any]) -> Problem:
    inner = in_file(document, at, detail["loc"])
    path = (*at, *inner)
    kind = detail["type"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        known = keys_at(schema, inner[:-1])
        hint = _ELSEWHERE.get(key) or _home(schema, key) or near(key, known)
        return document.problem(path, "unknown key", hint=hint, at_key=True)
    if kind == "missing":
        return document.problem(path, "is required", hint=_REQUIRED.get(str(path[-1]), ""), at_key=True)
    if kind == "string_pattern_mismatch":
        at_key = detail["loc"][-1] == "[key]"
        hint = _NAME if at_key else _TABLE
        return document.problem(path, "not a possible name", hint=hint, at_key=at_key)
    message, advice = _words(document, path, detail)
    if kind == "literal_error" and not advice:
        advice = _as_map(str(_value(document, path)), keys_at(schema, inner))
    if kind == "model_type" and not path:
        message, advice = "the file should be a map of keys", "such as `base_url` and `streams`"
    return document.problem(path, message, hint=advice)


def _as_map(value: str, keys: Sequence[str]) -> str:
    """A hint where a single word is not enough, and a map would say what is meant."""
    if value in keys:
        return f"`{value}` needs more: write {{{value}: ...}}"
    return f"or a map with {', '.join(keys)}" if 0 < len(keys) <= 8 else ""


def _home(schema: Mapping[str, Any], key: str) -> str:
    """A hint for a key that is right, in another map."""
    if key in schema.get("properties", {}):
        return f"`{key}` belongs to the whole file, one level further out"
    homes = [name for name, node in schema["$defs"].items() if key in node.get("properties", {})]
    if len(homes) != 1:
        return ""
    home = homes[0].removesuffix("Part").lower().replace("project", "")
    return f"`{key}` belongs to a stream" if home == "stream" else f"`{key}` belongs under `{home}`"


def _words(document: Document, path: Path, detail: ErrorDetails) -> tuple[str, str]:
    """The message of an error, in our words where pydantic's would need a manual, and a hint where there is one."""
    kind = detail["type"]
    if kind in ("int_type", "float_type") and "${" in str(_value(document, path)):
        return f"{_WORDS[kind]}; variables may stand only in texts that are sent", ""
    if kind in _WORDS:
        return _WORDS[kind], ""
    if kind == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        near_one = get_close_matches(
            str(_value(document, path)), expected.replace("'", "").replace(" or ", ", ").split(", ")
        )
        hint = f"did you mean `{near_one[0]}`?" if near_one else ""
        return f"should be {expected.replace(chr(39), '`')}", hint
    message = detail["msg"].removeprefix("Value error, ").replace("{{", "{").replace("}}", "}")
    return message.replace("Input should", "should"), ""


def _value(document: Document, path: Path) -> object:
    found: object = document.data
    for step in path:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
    return found


def in_file(document: Document, at: Path, location: tuple[int | str, ...]) -> Path:
    """The steps of an error's location that are keys of the file; branch names of unions are left out."""
    path: Path = ()
    for index, step in enumerate(location):
        is_last = index == len(location) - 1
        if (*at, *path, step) in document.places or (is_last and step not in ("[key]", "text", "map", "list")):
            path = (*path, step)
    return path


def keys_at(schema: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The keys that a JSON Schema knows for the map at `path`, over all branches of unions."""
    nodes = [schema]
    for step in path:
        nodes = [child for node in _resolved(schema, nodes) for child in _children(node, step)]
    return tuple(sorted({key for node in _resolved(schema, nodes) for key in node.get("properties", {})}))


def _resolved(schema: Mapping[str, Any], nodes: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if "$ref" in node:
            waiting.append(schema["$defs"][node["$ref"].rpartition("/")[2]])
            continue
        waiting.extend(branch for union in ("anyOf", "oneOf", "allOf") for branch in node.get(union, ()))
        found.append(node)
    return found


def _children(node: Mapping[str, Any], step: str | int) -> list[Mapping[str, Any]]:
    named = node.get("properties", {}).get(step)
    others = (
        [node.get("items")]
        if isinstance(step, int)
        else [
            node.get("additionalProperties"),
            *node.get("patternProperties", {}).values(),
        ]
    )
    return [child for child in (named, *([] if named else others)) if isinstance(child, dict)]
