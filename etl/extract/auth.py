"""Signing: what is added to a request on its way to its own origin, and taken out of every URL that is kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from etl.model.stream import Auth


class Signer:
    """Adds the credentials of a source; applied only after `Origins` said that the URL is the source's own."""

    def __init__(self, auth: Auth) -> None:
        self._headers = _headers(auth)
        self._params = auth.pairs if auth.kind == "query" else ()
        self._query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self._params)
        self._names = {name for name, _ in self._params}

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """To be sent with every request to the source's own origin."""
        return self._headers

    def sign(self, url: str) -> str:
        """The URL with the credentials that stand in its query."""
        if not self._query:
            return url
        bare, hash_sign, fragment = self.strip(url).partition("#")
        return bare + ("&" if "?" in bare else "?") + self._query + hash_sign + fragment

    def strip(self, url: str) -> str:
        """The URL without them: APIs repeat their own query, keys included, in the links they give."""
        if not self._names or "?" not in url:
            return url
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if unquote_plus(pair.partition("=")[0]) not in self._names]
        return urlunsplit(parts._replace(query="&".join(kept)))


def _headers(auth: Auth) -> tuple[tuple[str, str], ...]:
    match auth.kind:
        case "bearer":
            return (("Authorization", f"Bearer {auth.values[0]}"),)
        case "basic":
            # RFC 7617 section 2.1: user and password are UTF-8.
            pair = f"{auth.values[0]}:{auth.values[1]}".encode()
            return (("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")),)
        case "header":
            return auth.pairs
        case _:
            return ()
