"""Places in an answer, and how they are written in the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DEEPEST: Final = 4
_MOST: Final = 2_000


def written(path: Path) -> str:
    """A path as JMESPath: names that are no identifiers are quoted."""
    return ".".join(name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in path)


def objects(body: object) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects of an answer from the outside in, lists not entered; bounded in depth and number."""
    waiting: list[tuple[Path, Mapping[str, Any]]] = [((), body)] if isinstance(body, Mapping) else []
    seen = 0
    while waiting and seen < _MOST:
        path, level = waiting.pop(0)
        seen += 1
        yield path, level
        if len(path) < _DEEPEST:
            waiting += [((*path, str(name)), member) for name, member in level.items() if isinstance(member, Mapping)]


def value_at(item: object, path: Path) -> Any:
    """The value at a path of nested objects, None where there is none."""
    for name in path:
        if not isinstance(item, Mapping):
            return None
        item = item.get(name)
    return item


def scalars(item: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[Path, Any]]:
    """The members of an item that are single values, those of objects inside it included down to `depth`."""
    for name, value in item.items():
        if isinstance(value, Mapping):
            if depth > 1:
                yield from (((str(name), *path), inner) for path, inner in scalars(value, depth - 1))
        elif not isinstance(value, list):
            yield (str(name),), value
