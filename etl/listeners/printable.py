"""Texts that came from outside, made fit for one line of a terminal or a log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# C0, DEL, C1, line and paragraph separators, and the marks that turn the reading direction around.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class Printable:
    """Masks secrets, then writes what cannot be printed as an escape: a line break as a backslash and an n.

    `redact` is asked at every call: secrets may be learned after a listener was made.
    """

    __slots__ = ("_redact",)

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self._redact = redact

    def __call__(self, text: str, longest: int = 500) -> str:
        """One line of at most `longest` characters, cut at the end."""
        masked = self._redact(text)
        if len(masked) > longest:
            masked = masked[: longest - 3] + "..."
        return _UNPRINTABLE.sub(_escape, masked)


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": " "}.get(match[0]) or f"\\u{ord(match[0]):04x}"
