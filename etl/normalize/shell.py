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
        self._items: Any = list[item_type] | UnsetType  # type: ignore[valid-type]  # the type is made at run time
        tree: _Tree = {}
        if records:
            _plant(tree, records, _ITEMS)
        self.unread = {
            name: path
            for name, path in selectors.items()
            if not records or not all(map(is_compilable, path)) or not _plant(tree, path, name)
        }
        """Selectors that end at the list, run through it, or cross another one: somebody else has to read them."""
        body = self._struct(tree, ()) if records else list[item_type]  # type: ignore[valid-type]  # made at run time
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def decode(self, body: bytes) -> tuple[list[object], Values]:
        """Raises NeedsCare, msgspec.DecodeError or UnicodeDecodeError when the body is not of the compiled shape."""
        decoded = self._decoder.decode(body)
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
            if _ITEMS in branch:
                members.append((attribute, self._items, UNSET))
            else:
                members.append((attribute, Any, None))
        return msgspec.defstruct(f"Body{self._serial}", members, rename=rename, gc=False)


def _plant(tree: _Tree, path: Path, name: str) -> bool:
    """Put a selector at its place; False when another one ends on the way to it, or runs through it."""
    for part in path[:-1]:
        branch = tree.get(part)
        if branch is None:
            branch = tree[part] = {}
        if not isinstance(branch, dict):
            return False
        tree = branch
    leaf = tree.setdefault(path[-1], [])
    if isinstance(leaf, dict) or _ITEMS in leaf:
        return False
    leaf.append(name)
    return True


def _walk(decoded: Any, route: tuple[str, ...]) -> object:
    for attribute in route:
        if decoded is None:
            return None
        decoded = getattr(decoded, attribute)
    return decoded
