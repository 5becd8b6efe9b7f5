"""Defaults: the project's, the source's, the stream's own keys. Nearest wins, maps merge one level deep.

Every value keeps the place it came from, so that a problem points to the line that has to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etl.errors import Problem
from etl.settings.document import Document, Path

_DATA: frozenset[str] = frozenset({"json"})
"""Maps in which a null is a value of its own, not a wish to remove what is inherited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The map at `path` of a file, and its keys."""

    document: Document
    path: Path
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What the layers say together. Paths begin at the merged map."""

    data: Mapping[str, object]
    nearest: Layer
    _origins: Mapping[Path, Layer]

    def origin(self, path: Path) -> tuple[Document, Path]:
        """The file, and the path in it, that the value at `path` came from; the nearest layer's for an absent one."""
        for length in (2, 1):
            layer = self._origins.get(path[:length])
            if layer is not None and len(path) >= length:
                return layer.document, (*layer.path, *path)
        return self.nearest.document, (*self.nearest.path, *path)

    def problem(self, path: Path, message: str, *, hint: str = "", at_key: bool = False) -> Problem:
        """A problem where the value at `path` was written."""
        document, place = self.origin(path)
        return document.problem(place, message, hint=hint, at_key=at_key)


def merge(layers: Iterable[Layer]) -> Merged:
    """Join at least one layer, the farthest first."""
    data: dict[str, object] = {}
    origins: dict[Path, Layer] = {}
    nearest: Layer | None = None
    for layer in layers:
        nearest = layer
        for key, value in layer.data.items():
            _take(data, origins, layer, key, value)
    assert nearest is not None
    return Merged(data=data, nearest=nearest, _origins=origins)


def _take(data: dict[str, object], origins: dict[Path, Layer], layer: Layer, key: str, value: object) -> None:
    if value is None:
        data.pop(key, None)
        return
    far = data.get(key)
    origins[key,] = layer
    if not isinstance(value, Mapping):
        data[key] = value
        return
    members = {**far, **value} if isinstance(far, Mapping) else dict(value)
    origins.update({(key, name): layer for name in value})
    if key not in _DATA:
        members = {name: member for name, member in members.items() if member is not None}
    data[key] = members
