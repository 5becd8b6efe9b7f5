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
    HEAD = "head"
    """A header of the answer to a HEAD request, for APIs that tell totals nowhere else."""
    LINK = "link"
    """The target of a `rel` in the Link header."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A value in a response: a JMESPath in the body, or the name of a header (in lower case), or a link relation."""

    kind: SelectorKind
    path: str

    @classmethod
    def parse(cls, text: str) -> Selector:
        """`header:Name` is a header, `head:Name` one of a HEAD request, `rel:next` a relation of the Link header.

        Anything else is a JMESPath of the body.

        Names of headers and of relations are the same in upper and lower case.

        The syntax of the JMESPath is not checked here.
        """
        prefix, _, rest = text.partition(":")
        if prefix in ("header", "head"):
            return cls(SelectorKind(prefix), rest.strip().lower())
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
