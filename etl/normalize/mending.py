"""Items that a function of the user's looks at before they become rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from etl.hooks import MendItem
from etl.normalize.literals import is_object

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Mender:
    """`explain` tells where in the hook's file an exception came from."""

    name: str
    mend: MendItem
    explain: Callable[[Exception], str]

    def __call__(self, items: Sequence[bytes]) -> tuple[list[bytes], dict[int, str]]:
        """The mended items, and why some could not be: those stay as they were."""
        mended, refused = list(items), {}
        for index, raw in enumerate(items):
            if is_object(raw):
                try:
                    mended[index] = self._mended(raw)
                except Exception as error:  # noqa: BLE001 - whatever the hook does
                    refused[index] = f"the hook {self.name} failed: {self.explain(error)}"
        return mended, refused

    def _mended(self, raw: bytes) -> bytes:
        found: object = self.mend(json.loads(raw, parse_float=Decimal))
        if not isinstance(found, dict):
            raise TypeError(f"it returned {type(found).__name__}, not an item")
        return _encode(found)
