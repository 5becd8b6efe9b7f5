r"""Lone surrogates: escapes such as `\ud800` that stand for no character and that no database stores.

msgspec refuses a body that holds one, wherever it is. To lose the item and not the page, the escape is replaced by one
of the same length that the careful route refuses as well; offsets stay, so the reject still gets its own raw bytes.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def without_lone_surrogates(body: bytes) -> bytes | None:
    r"""The body with `\u0000` in place of every lone surrogate; None when it has none."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return None
    cleaned = _ESCAPES.sub(lambda match: b"\\u0000" if match[1] else match[0], body)
    return None if cleaned == body else cleaned


class Originals:
    """Finds the bytes an item had before its surrogates were replaced."""

    def __init__(self, body: bytes, cleaned: bytes) -> None:
        self._body = body
        self._cleaned = cleaned
        self._offset = 0

    def of(self, raw: bytes) -> bytes:
        """The original of an item; ask in page order. The item itself where it cannot be found, as after reshaping."""
        place = self._cleaned.find(raw, self._offset)
        if place < 0:
            return raw
        self._offset = place + len(raw)
        return self._body[place : self._offset]
