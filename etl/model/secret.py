"""Secrets: values that may be sent to their own source, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_SHORTEST: Final = 4
"""Shorter values would mask half of every message; a secret that short protects nothing."""
_FETCHED: Final = 256
"""Fetched tokens that are remembered: a process that runs for a year must not gather all it ever had."""


class Redactor:
    """Masks every known secret in a text, in the forms it may take on its way: plain, URL-, base64- and JSON-encoded.

    Longest first: a secret inside a longer one must not leave the rest of it standing.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
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

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def _sort(self) -> None:
        self._forms = tuple(sorted(self._lasting | _forms(self._fetched), key=len, reverse=True))


def _forms(secrets: Iterable[str]) -> set[str]:
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            encoded = base64.b64encode(secret.encode()).decode()
            in_json = json.dumps(secret)[1:-1]
            forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), encoded, in_json}
    return forms
