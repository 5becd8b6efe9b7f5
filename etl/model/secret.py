"""Secrets: values that may be sent to their own source, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from etl.model.credential import Spelled, Variable

MASK: Final = "***"
_SHORTEST: Final = 4
"""Shorter values would mask half of every message; a secret that short protects nothing."""
_FETCHED: Final = 256
"""Fetched tokens that are remembered: a process that runs for a year must not gather all it ever had."""


class Redactor:
    """Masks every known secret in a text, in the forms it may take on its way: plain, URL-, base64- and JSON-encoded.

    Longest first: a secret inside a longer one must not leave the rest of it standing. `variables` are those that hold
    one of the secrets, by its text, for `spelled`.
    """

    def __init__(self, secrets: Iterable[str] = (), variables: Mapping[str, Variable] | None = None) -> None:
        self._variables = {text: found for text, found in (variables or {}).items() if len(text) >= _SHORTEST}
        self._lasting: set[str] = set()
        self._fetched: deque[str] = deque(maxlen=_FETCHED)
        self._forms: tuple[str, ...] = ()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn secrets of the configuration."""
        self._lasting |= _forms(secrets)
        self._sort()

    def fetched(self, *secrets: str) -> None:
        """Learn secrets that are replaced by others in time, such as tokens of OAuth2."""
        self._fetched.extend(secret for secret in secrets if secret not in self._fetched)
        self._sort()

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def spelled(self, text: str) -> Spelled:
        """The text with variables in the place of their values; masked where a secret stands in another spelling."""
        pieces: Spelled = (text,) if text else ()
        for form in sorted({*self._forms, *self._variables}, key=len, reverse=True):
            if form in text:
                instead = self._variables.get(form, MASK)
                pieces = tuple(found for piece in pieces for found in _replaced(piece, form, instead))
        return pieces

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def _sort(self) -> None:
        self._forms = tuple(sorted(self._lasting | _forms(self._fetched), key=len, reverse=True))


def _replaced(piece: str | Variable, form: str, instead: str | Variable) -> Iterator[str | Variable]:
    if isinstance(piece, Variable):
        yield piece
        return
    for count, kept in enumerate(piece.split(form)):
        if count:
            yield instead
        if kept:
            yield kept


def _forms(secrets: Iterable[str]) -> set[str]:
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            encoded = base64.b64encode(secret.encode()).decode()
            in_json = json.dumps(secret)[1:-1]
            forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), encoded, in_json}
    return forms
