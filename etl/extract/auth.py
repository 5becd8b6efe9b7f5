"""Signing: what is added to a request on its way to its own origin, and taken out of everything that is kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit, urlunsplit

from etl.model.secret import MASK
from etl.model.source import Auth


class Signer:
    """Adds the credentials of a source; applied only after `Origins` said that the URL is the source's own.

    `secret_params` are further query parameters that are credentials: those of a stream that hold a secret.
    """

    def __init__(self, auth: Auth, secret_params: Sequence[tuple[str, str]] = ()) -> None:
        self.auth = auth
        self.secret_params = tuple(secret_params)
        self._headers = _headers(auth)
        self._fetches_token = auth.kind == "oauth2"
        params = (*(auth.pairs if auth.kind == "query" else ()), *secret_params)
        self._query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
        self._names = {name for name, _ in params}
        self._echoes = tuple(_echoes(params))

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """To be sent with every request to the source's own origin."""
        return self._headers

    @property
    def masked_headers(self) -> Sequence[tuple[str, str]]:
        """The same names and schemes with the credentials masked, whatever the redactor knows."""
        masked = [(name, _masked(value) if name == "Authorization" else MASK) for name, value in self._headers]
        return [("Authorization", f"Bearer {MASK}")] if self._fetches_token else masked

    @property
    def masked_query(self) -> str:
        """What `sign` adds to a query, with the credentials masked."""
        return "&".join(f"{quote(name, safe='')}={MASK}" for name in sorted(self._names))

    @property
    def signs_urls(self) -> bool:
        """Whether credentials stand in the query, where APIs repeat them in the links they give."""
        return bool(self._names)

    def sign(self, url: str) -> str:
        """The URL with the credentials that stand in its query."""
        if not self._query:
            return url
        bare = self.unsigned(url).partition("#")[0]
        return bare + ("&" if "?" in bare else "?") + self._query

    def unsigned(self, url: str) -> str:
        """The URL without them."""
        if not self._names or "?" not in url:
            return url
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if unquote_plus(pair.partition("=")[0]) not in self._names]
        return urlunsplit(parts._replace(query="&".join(kept)))

    def scrub(self, body: bytes) -> bytes:
        """The body with the credentials masked in the links it holds: what is kept of a page must not hold them.

        Only `name=value` as it stands in a query is masked, so that data which happens to equal a short key stays.
        """
        for echo, masked in self._echoes:
            if echo in body:
                body = body.replace(echo, masked)
        return body


def _masked(value: str) -> str:
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and scheme in ("Bearer", "Basic") else MASK


def _echoes(params: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """A parameter in every spelling that a JSON text may hold it in, with its masked form."""
    found = {}
    for name, value in params:
        for written in (quote(value, safe=""), quote(value), quote_plus(value), value):
            for spelt in (written, written.replace("/", "\\/")):
                for label in (name, quote(name, safe="")):
                    if value:
                        found[f"{label}={spelt}".encode()] = f"{label}={MASK}".encode()
    return sorted(found.items(), key=lambda pair: -len(pair[0]))


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
