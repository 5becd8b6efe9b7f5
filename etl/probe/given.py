"""What a person gives beside the URL: credentials and parameters, with every secret moved into a variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from etl.probe.access import Credentials, is_secret, is_variable, variable_for

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEMES: Final = ("token", "bearer", "basic", "apikey", "api-key", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """As given on the command line or in a curl line; `user` and `password` may stand in the URL as well."""

    bearer: str = ""
    basic: tuple[str, str] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    lookup: Callable[[str], str | None] = field(default=lambda _: None, repr=False)
    """The value of a variable that is set."""


class Sorter:
    """Sorts what was given into credentials, plain headers and plain parameters. Raises ValueError in words."""

    def __init__(self, source: str, given: Given) -> None:
        self._source = source
        self._given = given
        self._secrets: dict[str, str] = {}

    def credentials(self, params: Sequence[tuple[str, str]]) -> tuple[Credentials, tuple[tuple[str, str], ...]]:
        """The credentials, and the parameters that are none."""
        given = self._given
        headers = [(name, self._header(name, value)) for name, value in given.headers]
        signing = [(name, value) for name, value in headers if "${" in value]
        plain = [(name, value) for name, value in headers if "${" not in value]
        pairs = [(name, self._param(name, value)) for name, value in (*params, *given.query)]
        in_query = [(name, value) for name, value in pairs if "${" in value]
        rest = tuple((name, value) for name, value in pairs if "${" not in value)
        if given.bearer:
            kind, parts = "bearer", [("token", self._hidden("token", given.bearer))]
        elif given.basic is not None:
            user, password = given.basic
            kind = "basic"
            parts = [
                ("user", self._hidden("user", user)),
                ("password", self._hidden("password", password) if password else ""),
            ]
        elif signing:
            kind, parts, signing = "header", signing, []
        elif in_query:
            kind, parts, in_query = "query", in_query, []
        else:
            kind, parts = "none", []
        if in_query:
            raise ValueError(f"{in_query[0][0]} in the URL is a credential, and another one was given; one is enough")
        found = Credentials(kind=kind, parts=tuple(parts), headers=(*signing, *plain), secrets=self._secrets)
        return found, rest

    def _header(self, name: str, value: str) -> str:
        """A header that holds a secret, with the secret in a variable; a scheme before it stays to be read."""
        if _VARIABLE.search(value):
            return self._taken(value)
        if not is_secret(name):
            return value
        scheme, blank, rest = value.partition(" ")
        if blank and name.lower() == "authorization" and scheme.lower() in _SCHEMES:
            return f"{scheme} {self._hidden('token', rest)}"
        return self._hidden(name, value)

    def _param(self, name: str, value: str) -> str:
        if _VARIABLE.search(value):
            return self._taken(value)
        return self._hidden(name, value) if value and is_secret(name) else value

    def _hidden(self, what: str, value: str) -> str:
        """`${NAME}` for a secret: the variable that was named, or a new one for a secret that was typed."""
        if _VARIABLE.search(value):
            return self._taken(value)
        if is_variable(value) and self._given.lookup(value):
            return self._taken(f"${{{value}}}")
        if is_variable(value) and what in ("token", "user", "password") and "_" in value:
            raise ValueError(f"the variable {value} is not set; export it, or give the secret itself")
        name = variable_for(self._source, what)
        self._secrets[name] = value
        return f"${{{name}}}"

    def _taken(self, text: str) -> str:
        """A text with variables, all of which have to be set."""
        for name in _VARIABLE.findall(text):
            value = self._given.lookup(name)
            if not value:
                raise ValueError(f"the variable {name} is not set; export it first")
            self._secrets[name] = value
        return text
