"""The request of a stream: its texts as templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from etl.model.stream import RequestTemplate
from etl.model.template import Body, Template
from etl.settings.building.desk import Texts
from etl.settings.document import Path
from etl.settings.format.stream import StreamPart

WINDOW_NAMES: Final = ("start", "end")
PAGE_NAMES: Final = ("page", "offset", "size", "cursor")


def build_request(part: StreamPart, texts: Texts) -> RequestTemplate:
    """The request; its placeholders are checked against `pages` and `incremental` elsewhere."""
    if part.json_ is not None and part.form is not None:
        texts.problem(("form",), "a request has either `json` or `form`", at_key=True)
    method = part.method or "GET"
    if method == "GET" and (part.json_ is not None or part.form is not None):
        texts.problem(
            ("json" if part.form is None else "form",), "a GET has no body", hint="add `method: POST`", at_key=True
        )
    return RequestTemplate(
        method=method,
        path=texts.template(part.path or "", ("path",)).with_written(_written_members(part)),
        params=tuple(_pairs(part.params or {}, ("params",), texts)),
        headers=tuple(_pairs(part.headers or {}, ("headers",), texts)),
        json=_json(part.json_, texts),
        form=tuple(_pairs(part.form or {}, ("form",), texts)),
    )


def _written_members(part: StreamPart) -> frozenset[str]:
    """Variables of `for_each` whose values stand in the file."""
    return frozenset(name for name, values in (part.for_each or {}).items() if isinstance(values, list))


def _pairs(pairs: Mapping[str, object], path: Path, texts: Texts) -> Iterator[tuple[str, Template]]:
    for name, value in pairs.items():
        here = (*path, name)
        if isinstance(value, list):
            yield from ((name, _scalar(one, (*here, index), texts)) for index, one in enumerate(value))
        elif value is not None:
            yield name, _scalar(value, here, texts)


def _scalar(value: object, path: Path, texts: Texts) -> Template:
    return texts.template(texts.written(value, path), path)


def _json(body: object, texts: Texts) -> Body:
    if isinstance(body, Mapping) and isinstance(body.get("query"), str):
        # GraphQL is full of braces of its own, and has variables for what moves.
        others = {name: member for name, member in body.items() if name != "query"}
        query = texts.plain(body["query"], ("json", "query"))
        built = {name: _body(member, ("json", name), texts) for name, member in others.items()}
        return {name: query if name == "query" else built[name] for name in body}
    return _body(body, ("json",), texts)


def _body(value: object, path: Path, texts: Texts) -> Body:
    if isinstance(value, str):
        return texts.template(value, path)
    if isinstance(value, Mapping):
        if len(value) == 1 and next(iter(value)) in (*WINDOW_NAMES, *PAGE_NAMES) and None in value.values():
            name = next(iter(value))
            texts.problem(path, f'YAML reads {{{name}}} as a map; put it in quotes: "{{{name}}}"')
        return {str(name): _body(member, (*path, str(name)), texts) for name, member in value.items()}
    if isinstance(value, list):
        return tuple(_body(element, (*path, index), texts) for index, element in enumerate(value))
    if isinstance(value, float) and value - value != 0:
        texts.problem(path, "JSON has no such number")
    assert value is None or isinstance(value, (bool, int, float))
    return value
