"""An OpenAPI description as far as it helps: where the API is, which operations list things, by which parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An operation that answers with a list. `params` are the names of its query parameters, `required` those that it
    cannot do without.
    """

    path: str
    summary: str = ""
    params: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


def base_of(document: Mapping[str, Any]) -> str:
    """The URL of the API, empty where the description has none that is absolute."""
    servers = document.get("servers")
    if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
        url = str(servers[0].get("url", ""))
        variables = servers[0].get("variables")
        for name, told in variables.items() if isinstance(variables, Mapping) else ():
            if isinstance(told, Mapping):
                url = url.replace(f"{{{name}}}", str(told.get("default", "")))
        return url.rstrip("/") if "://" in url else ""
    host = document.get("host")
    if not isinstance(host, str):
        return ""
    schemes = document.get("schemes")
    scheme = "https" if not isinstance(schemes, list) or "https" in schemes else str(schemes[0])
    return f"{scheme}://{host}{document.get('basePath') or ''}".rstrip("/")


def listings(document: Mapping[str, Any]) -> tuple[Listing, ...]:
    """The GET operations that answer with a list and need nothing in their path, the shortest path first."""
    paths = document.get("paths")
    found: list[Listing] = []
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        operation = item.get("get") if isinstance(item, Mapping) else None
        if isinstance(operation, Mapping) and "{" not in str(path) and _lists(document, operation):
            found.append(_listing(document, str(path), item, operation))
    return tuple(sorted(found, key=lambda one: (one.path.count("/"), one.path)))


def readable(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of all GET operations, whatever they answer, the shortest first."""
    paths = document.get("paths")
    found = [
        str(path) for path, item in (paths.items() if isinstance(paths, Mapping) else ())
        if isinstance(item, Mapping) and isinstance(item.get("get"), Mapping)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda path: (path.count("/"), path)))


def listing_at(document: Mapping[str, Any], url: str) -> Listing | None:
    """The operation behind a URL, None where the description does not know it."""
    wanted = urlsplit(url).path.rstrip("/")
    base = urlsplit(base_of(document)).path
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(f"{base}{path}".rstrip("/")))
        operation = item.get("get") if isinstance(item, Mapping) else None
        if isinstance(operation, Mapping) and re.fullmatch(pattern, wanted):
            return _listing(document, str(path), item, operation)
    return None


def url_of(document: Mapping[str, Any], path: str) -> str:
    """The URL of a path of the description."""
    return urljoin(f"{base_of(document)}/", path.lstrip("/"))


def _listing(document: Mapping[str, Any], path: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> Listing:
    params = [*_parameters(document, item), *_parameters(document, operation)]
    query = [(str(one.get("name")), bool(one.get("required"))) for one in params if one.get("in") == "query"]
    return Listing(
        path=path,
        summary=str(operation.get("summary") or operation.get("operationId") or ""),
        params=tuple(name for name, _ in query),
        required=tuple(name for name, needed in query if needed),
    )


def _parameters(document: Mapping[str, Any], owner: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = owner.get("parameters")
    for one in given if isinstance(given, list) else ():
        found = _resolved(document, one)
        if isinstance(found, Mapping):
            yield found


def _lists(document: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    """Whether its answer is an array, or an object with an array of objects in it."""
    responses = operation.get("responses")
    told = responses if isinstance(responses, Mapping) else {}
    found = _resolved(document, next((told[code] for code in ("200", 200, "2XX", "default") if code in told), None))
    if not isinstance(found, Mapping):
        return False
    content = found.get("content")
    kinds = list(content.values()) if isinstance(content, Mapping) else [found]
    return any(isinstance(kind, Mapping) and _has_list(document, kind.get("schema"), _DEEPEST) for kind in kinds)


def _has_list(document: Mapping[str, Any], schema: object, depth: int) -> bool:
    found = _resolved(document, schema)
    if not isinstance(found, Mapping) or not depth:
        return False
    if found.get("type") == "array" or "items" in found:
        inner = _resolved(document, found.get("items"))
        return not isinstance(inner, Mapping) or inner.get("type", "object") == "object"
    parts = [part for union in ("allOf", "oneOf", "anyOf") for part in found.get(union) or ()]
    properties = found.get("properties")
    members = list(properties.values()) if isinstance(properties, Mapping) else []
    return any(_has_list(document, part, depth - 1) for part in (*parts, *members))


def _resolved(document: Mapping[str, Any], node: object) -> object:
    """The node behind `$ref`s within the document; a circle ends after a few steps."""
    for _ in range(8):
        if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
            return node
        found: object = document
        for step in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        node = found
    return None
