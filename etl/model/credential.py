"""Where credentials come from: all that may be told of them, and never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the configuration, by its name. `length` is that of its value, None where nobody set it.

    `file` holds it where the environment does not: an env file, or the one that `NAME_FILE` names. `default` is what
    the configuration sends in the place of a variable that is not set. `oddity` is what its value should not look like.
    """

    name: str
    length: int | None = None
    file: str = ""
    kind: Literal["environment", "env_file", "own_file"] = "environment"
    default: str | None = None
    oddity: str = ""

    @property
    def told(self) -> str:
        """`GITHUB_TOKEN (set, 40 characters)`."""
        if self.default is not None:
            return f"the default of {self.name} ({self.name} is not set)"
        if self.length is None:
            return f"{self.name} (not set)"
        where = {"environment": "", "env_file": f" in {self.file}", "own_file": f" by the file {self.file}"}[self.kind]
        odd = f", {self.oddity}" if self.oddity else ""
        return f"{self.name} (set{where}, {characters(self.length)}{odd})"


Spelled = tuple[str | Variable, ...]
"""A text in pieces: what may be shown as it stands, and variables in the place of their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential of a source.

    `role` says how it is sent, `name` is that of its header or parameter. `text` is empty where the file itself holds
    the value: that is as long as `length` and not shown. `place` is the file and line of the key that asks for it.
    """

    role: Literal["header", "parameter", "body", "user", "password", "oauth2", "given"]
    name: str = ""
    text: Spelled = field(default=(), repr=False)
    length: int = 0
    place: str = ""

    @property
    def told(self) -> str:
        """`the header X-Api-Key came from SHOP_KEY (set, 38 characters)`."""
        found = [piece.told for piece in self.text if isinstance(piece, Variable)]
        if not found:
            return f"{self._label} stands in the configuration itself ({characters(self.length)})"
        return f"{self._label} came from {' and '.join(dict.fromkeys(found))}"

    @property
    def _label(self) -> str:
        if self.text[:1] == ("Bearer ",):
            return f"the header {self.name} (Bearer)"
        fixed = {"user": "the user of HTTP Basic", "password": "the password of HTTP Basic", "body": "the body"}
        bare = {"oauth2": self.name, "given": f"its key {self.name}"}
        return fixed.get(self.role) or bare.get(self.role) or f"the {self.role} {self.name}"


def told_origins(credentials: Iterable[Credential]) -> str:
    """All of them in one line, with the place of each said once; empty without any."""
    by_place: dict[str, list[str]] = {}
    for credential in credentials:
        if credential.text == ("",):
            continue  # the empty password beside a key that is sent as the user
        by_place.setdefault(credential.place, []).append(credential.told)
    return "; ".join(", ".join([*told, *([place] if place else [])]) for place, told in by_place.items())


def variables_of(texts: Iterable[Spelled]) -> tuple[Variable, ...]:
    """Every variable once, in the order of their first use."""
    return tuple(dict.fromkeys(piece for text in texts for piece in text if isinstance(piece, Variable)))


def oddity_of(value: str) -> str:
    """What a secret hardly ever looks like: the traces of a paste."""
    if value != value.strip():
        return "with blanks around it"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "with quotes around it"
    return "which begins with `Bearer`" if value.lower().startswith("bearer ") else ""


def characters(length: int) -> str:
    """`1 character`, `38 characters`."""
    return "1 character" if length == 1 else f"{length:,} characters"
