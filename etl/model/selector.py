"""Where a value is read from a response."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class SelectorKind(StrEnum):
    """Where a value is read from."""

    BODY = "body"
    HEADER = "header"
    LINK = "link"
    """The target of a `rel` in the Link header."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A value in a response: a JMESPath in the body, or the name of a header (in lower case), or a link relation."""

    kind: SelectorKind
    path: str

    @classmethod
    def parse(cls, text: str) -> Selector:
        """`header:Name` is a header, `rel:next` a relation of the Link header, anything else a JMESPath of the body.

        Names of headers and of relations are the same in upper and lower case.

        The syntax of the JMESPath is not checked here.
        """
        prefix, _, rest = text.partition(":")
        if prefix == "header":
            return cls(SelectorKind.HEADER, rest.strip().lower())
        return cls(SelectorKind.LINK, rest.strip().lower()) if prefix == "rel" else cls(SelectorKind.BODY, text.strip())

    @property
    def plain(self) -> tuple[str, ...] | None:
        """The names of a plain dotted path (`data.results`), None for any other expression. `()` is the whole body."""
        if self.kind is not SelectorKind.BODY:
            return None
        if self.path in ("", "@"):
            return ()
        names = tuple(self.path.split("."))
        return names if all(map(_PLAIN_NAME.fullmatch, names)) else None
