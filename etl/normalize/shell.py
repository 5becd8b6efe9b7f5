"""The compiled body of an answer: nested Structs around the list of items, with the plain selectors read on the way."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from etl.normalize.compiled import NeedsCare
from etl.normalize.envelope import Values
from etl.normalize.fields import Path
from etl.normalize.naming import is_compilable

_ITEMS: Final = ""
"""Stands for the list of items among the names of the selectors."""
_Tree = dict[str, Any]


class Shell:
    """Decodes a body to its items and the values of the plain selectors in one pass."""

    def __init__(self, records: Path, selectors: dict[str, Path], item_type: type[msgspec.Struct]) -> None:
        self._serial = 0
        self._routes: dict[str, tuple[str, ...]] = {}
        self._item_type = item_type
        tree: _Tree = {}
        if records:
            _plant(tree, records, _ITEMS)
        self.conflicts = not records and bool(selectors)
        for name, path in selectors.items():
            self.conflicts = self.conflicts or not _plant(tree, path, name)
        self.conflicts = self.conflicts or not _compilable(tree)
        body: Any = list[item_type] if not records else None  # type: ignore[valid-type]  # made at run time
        if body is None and not self.conflicts:
            body = self._struct(tree, ())
        self._decoder = msgspec.json.Decoder(body) if body is not None else None

    def decode(self, body: bytes) -> tuple[list[object], Values]:
        """Raises NeedsCare, msgspec.DecodeError or UnicodeDecodeError when the body is not of the compiled shape."""
        if self._decoder is None or self.conflicts:
            raise NeedsCare
        decoded: Any = self._decoder.decode(body)
        if isinstance(decoded, list):
            return decoded, {}
        values = {name: _walk(decoded, route) for name, route in self._routes.items()}
        items = values.pop(_ITEMS)
        if not isinstance(items, list):
            raise NeedsCare
        return items, values

    def _struct(self, tree: _Tree, route: tuple[str, ...]) -> type[msgspec.Struct]:
        members: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for name, branch in tree.items():
            attribute = f"e{self._serial}"
            self._serial += 1
            rename[attribute] = name
            here = (*route, attribute)
            if isinstance(branch, dict):
                members.append((attribute, self._struct(branch, here) | None, None))
                continue
            for selector in branch:
                self._routes[selector] = here
            is_list = _ITEMS in branch
            members.append(
                (attribute, list[self._item_type] | UnsetType if is_list else Any, UNSET if is_list else None)
            )  # type: ignore[name-defined]
        return msgspec.defstruct(f"Body{self._serial}", members, rename=rename, gc=False)


def _plant(tree: _Tree, path: Path, name: str) -> bool:
    """Put a selector at its place; False when another one ends on the way to it, or runs through it."""
    for part in path[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            return False
        tree = branch
    leaf = tree.setdefault(path[-1], [])
    if isinstance(leaf, dict) or _ITEMS in leaf:
        return False
    leaf.append(name)
    return True


def _compilable(tree: _Tree) -> bool:
    return all(is_compilable(name) and (not isinstance(b, dict) or _compilable(b)) for name, b in tree.items())


def _walk(decoded: Any, route: tuple[str, ...]) -> object:
    for attribute in route:
        if decoded is None:
            return None
        decoded = getattr(decoded, attribute)
    return decoded
