"""A draft as a commented YAML file.

Texts come from strangers' servers, so every scalar is quoted unless it is plainly harmless, and a comment is one line
whatever is in it: no answer can write a key of its own into the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from etl.probe.draft import Draft, Filter
from etl.probe.paths import Path
from etl.probe.rows import Place

MODELINE: Final = "# yaml-language-server: $schema=.schema/etl.json"
_HARMLESS: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*", re.ASCII)
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_UNSAFE: Final = re.compile(r"[^\x20-\x7e\xa0-\u200a\u2010-\u2027\u2030-\ud7ff]")


def file_text(draft: Draft, *, now: datetime, requests: int) -> str:
    """The whole file. It holds no secret: credentials stand in it as `${NAME}`."""
    when = now.strftime("%Y-%m-%d")
    head = [
        MODELINE,
        f"# Written by `etl init` on {when} after {requests} requests; the comments say what was seen.",
        f"base_url: {scalar(_braceless(draft.question.base_url))}",
        *_auth(draft),
        *_limits(draft),
        "streams:",
        f"  {draft.stream}:",
    ]
    lines = [*head, *(f"    {line}" for line in _stream(draft))]
    return "\n".join(lines) + "\n"


def _auth(draft: Draft) -> Iterator[str]:
    given = draft.credentials
    match given.kind:
        case "bearer":
            yield f"auth: {{bearer: {scalar(given.parts[0][1])}}}"
        case "basic":
            yield f"auth: {{basic: [{', '.join(scalar(value) for _, value in given.parts)}]}}"
        case "header" | "query":
            yield f"auth: {{{given.kind}: {_flow(given.parts)}}}"
    if given.headers:
        yield f"headers: {_flow(given.headers)}"


def _limits(draft: Draft) -> Iterator[str]:
    if draft.rate:
        yield _noted(f"limits: {{rate: {draft.rate}}}", "a header of the answer says so")


def _stream(draft: Draft) -> Iterator[str]:
    question = draft.question
    yield f"path: {scalar(_braces(question.path))}"
    if question.method != "GET":
        yield f"method: {question.method}"
    if question.headers:
        yield f"headers: {_flow(question.headers)}"
    yield from _parameters(draft)
    yield from _line(draft, "records", _records(draft.place))
    for name in draft.nested:
        own = f"records: [{scalar(draft.place.selector)}, {scalar(name)}]"
        yield f"# {comment(name)} is a list in each row, and lands as JSON; rows of its own: another stream with {own}"
    yield from _line(draft, "pages", _pages(draft))
    if question.carrier == ("variables",):
        yield _noted("fail_if: errors", "GraphQL answers errors with status 200")
    yield from _line(draft, "key", _key(draft.key))
    if not draft.key:
        yield from _line(draft, "write", "replace")
    yield from _incremental(draft)
    yield from _promises(draft)


def _line(draft: Draft, key: str, value: str) -> Iterator[str]:
    """One key with its evidence; a question that stayed open stands above it."""
    if key in draft.checks:
        yield f"# CHECK: {comment(draft.checks[key])}"
    if value:
        yield _noted(f"{key}: {value}", draft.notes.get(key, ""))


def _parameters(draft: Draft) -> Iterator[str]:
    question = draft.question
    moving = moving_parameters(draft)
    if question.carrier is None:
        fixed = [(name, _braces(value)) for name, value in question.params if name not in moving]
        pairs = [*fixed, *((name, str(value)) for name, value in moving.items())]
        if pairs:
            yield "params:"
            yield from (
                _noted(f"  {scalar(name)}: {scalar(value)}", draft.notes.get(f"param:{name}", ""))
                for name, value in pairs
            )
    else:
        body = _literal(question.asking(dict.fromkeys(moving)).body)
        yield "json:"
        yield from (f"  {line}" for line in _block(_put(body, question.carrier, moving)))


def moving_parameters(draft: Draft) -> dict[str, str]:
    """Each parameter that moves, with its placeholder (or the fixed size of a list that is followed by links)."""
    moving: dict[str, str] = {}
    way = draft.way
    if draft.size_param and draft.size:
        moving[draft.size_param] = "{size}" if way.kind in ("number", "offset", "cursor") else str(draft.size)
    names = {"number": "{page}", "offset": "{offset}", "cursor": "{cursor}"}
    if way.kind in names:
        moving[way.param] = names[way.kind]
    if draft.sort:
        moving[draft.sort[0]] = draft.sort[1]
    if draft.filter:
        moving[draft.filter.param] = "{start}"
    return moving


def _records(place: Place) -> str:
    match place.shape:
        case "rows":
            return _flow((("rows", place.selector), ("names", ".".join(place.names))))
        case "columns":
            return _flow((("columns", place.selector),))
        case "map":
            return _flow((("map", place.selector), ("key", "key")))
        case "single":
            return ""
    if place.inner:
        return scalar(f"{place.selector}[].{place.inner}")
    return scalar(place.selector) if place.path else ""


def _pages(draft: Draft) -> str:
    way, pairs = draft.way, list[tuple[str, Any]]()
    if way.kind == "none":
        return "" if "pages" in draft.checks else "none"
    match way.kind:
        case "link":
            pairs.append(("link", "rel:next" if way.selector == "link" else way.selector))
        case "cursor":
            pairs.append(("cursor", way.selector))
        case _:
            pairs.append((way.kind, way.first))
    if draft.size_param and draft.size and way.kind != "link":
        pairs.append(("size", draft.size))
    if way.kind == "cursor":
        pairs += [(name, value) for name, value in (("while", way.more), ("until", way.until)) if value]
    if draft.totals.rows:
        pairs.append(("total_rows", draft.totals.rows.selector))
    if draft.totals.pages and way.kind in ("number", "offset"):
        pairs.append(("total_pages", draft.totals.pages.selector))
    return "link" if pairs == [("link", "rel:next")] else _flow(pairs)


def _key(fields: tuple[Path, ...]) -> str:
    names = [scalar(".".join(path)) for path in fields]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]" if names else ""


def _incremental(draft: Draft) -> Iterator[str]:
    if draft.filter:
        yield _noted(f"incremental: {_flow(incremental_pairs(draft.filter))}", draft.notes.get("incremental", ""))
    elif draft.created_filter:
        found = draft.created_filter
        yield f"# {comment(draft.notes.get('incremental', ''))}"
        yield f"# incremental: {_flow(incremental_pairs(found))}"
        yield f'# and under params: {scalar(found.param)}: "{{start}}"'
    elif note := draft.notes.get("incremental"):
        yield f"# {comment(note)}"


def incremental_pairs(found: Filter) -> tuple[tuple[str, Any], ...]:
    """The keys of `incremental` for a filter; rows at an exclusive bound are asked for again by a second of overlap."""
    pairs: list[tuple[str, Any]] = [("field", ".".join(found.field.path))]
    if found.field.format != "iso":
        pairs.append(("format", found.field.format))
    if not found.inclusive:
        pairs.append(("overlap", "1d" if found.field.format == "date" else "1s"))
    return tuple(pairs)


def _promises(draft: Draft) -> Iterator[str]:
    if draft.order is None:
        return
    path, way = draft.order
    pairs: list[tuple[str, Any]] = [("by", ".".join(path)), *((("direction", "desc"),) if way == "desc" else ())]
    yield f"# {comment(draft.notes.get('order', ''))}"
    yield f"# order: {_flow((*pairs, ('unique', True), ('immutable', True)))}"


def scalar(value: object) -> str:
    """A value in YAML, quoted unless it can mean nothing else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    if _HARMLESS.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(_escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if _UNSAFE.match(sign):
        code = ord(sign)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return sign


def comment(text: str) -> str:
    """A text on one line that ends where its line ends, with nothing in it that cannot be printed."""
    told = _UNSAFE.sub(lambda found: " " if found[0] in "\n\r\t" else "?", text)
    return " ".join(told.split())[:240]


def _noted(line: str, note: str) -> str:
    return f"{line}  # {comment(note)}" if note else line


def _flow(pairs: Iterable[tuple[str, Any]]) -> str:
    return "{" + ", ".join(f"{scalar(name)}: {_flow_value(value)}" for name, value in pairs) + "}"


def _flow_value(value: object) -> str:
    """As `scalar`; a comma or a bracket would end a plain text inside braces, and `_HARMLESS` has neither."""
    return scalar(value)


def _braces(text: str) -> str:
    """A literal text where placeholders are possible."""
    return text.replace("{", "{{").replace("}", "}}")


def _braceless(text: str) -> str:
    return text.replace("{", "%7B").replace("}", "%7D")


def _literal(value: Any) -> Any:
    """A JSON body as it has to be written so that its own braces stay braces."""
    if isinstance(value, str):
        return _braces(value)
    if isinstance(value, Mapping):
        return {
            name: member if name == "query" and isinstance(member, str) else _literal(member)
            for name, member in value.items()
        }
    return [_literal(member) for member in value] if isinstance(value, list) else value


def _put(body: Any, carrier: Path, moving: Mapping[str, str]) -> Any:
    level = dict(body) if isinstance(body, Mapping) else {}
    if carrier:
        return {**level, carrier[0]: _put(level.get(carrier[0]), carrier[1:], moving)}
    return {**level, **moving}


def _block(value: Any) -> Iterator[str]:
    """JSON in block style; texts of several lines, such as a GraphQL query, as one quoted line."""
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            if isinstance(member, (Mapping, list)) and member:
                yield f"{scalar(name)}:"
                yield from (f"  {line}" for line in _block(member))
            else:
                yield f"{scalar(name)}: {_leaf(member)}"
    elif isinstance(value, list) and value:
        for member in value:
            if isinstance(member, (Mapping, list)) and member:
                inner = list(_block(member))
                yield f"- {inner[0]}"
                yield from (f"  {line}" for line in inner[1:])
            else:
                yield f"- {_leaf(member)}"
    else:
        yield _leaf(value)


def _leaf(value: Any) -> str:
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, (Mapping, list)) else scalar(value)


def env_example(before: str, names: Iterable[str]) -> str:
    """`.env.example` with the names that are not in it yet."""
    known = {line.partition("=")[0].strip() for line in before.splitlines()}
    new = [f"{name}=" for name in dict.fromkeys(names) if name not in known]
    lead = before if not before or before.endswith("\n") else before + "\n"
    return lead + "".join(f"{line}\n" for line in new)
