"""Secrets: values that may be sent to their own source, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_SHORTEST: Final = 4
"""Shorter values would mask half of every message; a secret that short protects nothing."""


class Redactor:
    """Masks every known secret in a text, in the forms it may take on its way: plain, URL-, base64- and JSON-encoded.

    Longest first: a secret inside a longer one must not leave the rest of it standing.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn secrets that appear later, such as a token fetched by OAuth2."""
        forms = set(self._forms)
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                encoded = base64.b64encode(secret.encode()).decode()
                in_json = json.dumps(secret)[1:-1]
                forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), encoded, in_json}
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"
