"""A request as a command that can be pasted into a shell: variables stand where the secrets were."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from etl.model.credential import Spelled, Variable, variables_of

_SPECIAL: Final = re.compile(r'([\\"$`])')
_ENDS_A_NAME: Final = frozenset(("", *" /&?=;,.'\"<>}"))
"""After another sign a shell may read on: zsh takes a colon and a bracket for its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """A request for curl. `query` are parameters that curl has to encode, since they hold variables.

    `user` is user and password of HTTP Basic. `notes` tell what the command cannot hold.
    """

    method: str
    url: Spelled
    headers: tuple[tuple[str, Spelled], ...] = ()
    query: tuple[tuple[str, Spelled], ...] = ()
    user: Spelled = ()
    body: Spelled = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """The command; lines before it, if any, are comments."""
        notes = (*self.notes, *map(_unset, self._unset_variables))
        command = " ".join(word if isinstance(word, str) else quoted(word) for word in self._words())
        return "\n".join([*(f"# {note}" for note in dict.fromkeys(filter(None, notes))), command])

    def _words(self) -> Iterator[str | Spelled]:
        # --globoff: curl would expand the brackets that many APIs have in the names of their parameters.
        yield from ("curl", "--globoff", "--compressed")
        if self.method != "GET" or self.body:
            yield from ("--request", shlex.quote(self.method))
        for name, value in self.headers:
            # Without a colon: curl takes one without a value for the wish to send no such header.
            yield from ("--header", (f"{name}: ", *value) if any(value) else (f"{name};",))
        if self.user:
            yield from ("--user", self.user)
        if self.body:
            yield from ("--data-raw", self.body)
        if self.query and not self.body and self.method == "GET":
            yield "--get"
        for name, value in self.query:
            # --url-query is younger (7.87), and has to be where there is a body.
            yield "--url-query" if self.body or self.method != "GET" else "--data-urlencode"
            yield (f"{quote(name, safe='')}=", *value)
        yield self.url

    @property
    def _unset_variables(self) -> tuple[Variable, ...]:
        texts = (self.url, *(value for _, value in (*self.headers, *self.query)), self.user, self.body)
        return variables_of(texts)


def quoted(word: Spelled) -> str:
    """One word for a shell, its variables expanded and nothing else."""
    pieces = tuple(map(_settled, word))
    plain = "".join(piece for piece in pieces if isinstance(piece, str))
    if not any(isinstance(piece, Variable) for piece in pieces):
        return shlex.quote(plain)
    if "!" in plain:
        # An interactive bash expands it even between double quotes.
        return "".join(shlex.quote(piece) if isinstance(piece, str) else f'"${{{piece.name}}}"' for piece in pieces)
    return f'"{"".join(_between_quotes(pieces))}"'


def _settled(piece: str | Variable) -> str | Variable:
    """What the shell has to fill stays; a default is sent as it is, and no secret."""
    return piece if isinstance(piece, str) or piece.default is None else piece.default


def _between_quotes(pieces: Spelled) -> Iterator[str]:
    for piece, following in zip(pieces, (*pieces[1:], ""), strict=True):
        if isinstance(piece, str):
            yield _SPECIAL.sub(r"\\\1", piece)
            continue
        ends = isinstance(following, str) and following[:1] in _ENDS_A_NAME
        yield f"${piece.name}" if ends else f"${{{piece.name}}}"


def _unset(variable: Variable) -> str:
    """What has to be done before a shell knows the variable."""
    if variable.default is not None:
        return ""
    if variable.length is None:
        return f"{variable.name} is not set"
    if variable.kind == "env_file":
        # Without a slash a shell looks for it among the commands.
        file = shlex.quote(variable.file if "/" in variable.file else f"./{variable.file}")
        return f"{variable.name} stands in {variable.file}; before: set -a; . {file}; set +a"
    if variable.kind == "own_file":
        return f"{variable.name} is read from a file; before: {variable.name}=$(cat {shlex.quote(variable.file)})"
    return ""
