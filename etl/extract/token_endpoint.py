"""One request to an OAuth2 token endpoint, and what its answer means (RFC 6749 sections 4.4 and 6).

The endpoint may stand on another host than the API: it is written in the configuration, so it is trusted with the
client's credentials, and nothing else is sent there. Redirects are not followed: they would carry a secret on.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec

from etl import __version__
from etl.errors import AuthRefused, SourceUnavailable, TryAgain
from etl.extract.body import read_body
from etl.extract.retry import refusal
from etl.extract.transport import failure_words, read_headers, split_target
from etl.model.credential import Credential, told_origins
from etl.model.secret import Redactor
from etl.model.source import OAuth2
from etl.ports import Clock

_LARGEST: Final = 1024 * 1024
_EXCERPT: Final = 200
_OTHER_STYLE: Final = {"basic": "body", "body": "basic"}
_UNKNOWN_CLIENT: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_request", ""})
"""What servers answer to a client that identifies itself in a way they do not read."""
_HINTS: Final = {
    "invalid_client": "compare client_id and client_secret with the API's console",
    "invalid_grant": "the refresh token has expired, was revoked, or was used elsewhere: authorize once more, and set "
    "the new one",
    "invalid_scope": "compare `scope` with what this client may ask for",
    "unauthorized_client": "allow this grant for the client in the API's console",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the endpoint gave: the access token, how long it lives (None: not told), and a new refresh token."""

    access_token: str = field(repr=False)
    lifetime_s: float | None = None
    refresh_token: str = field(default="", repr=False)


class TokenEndpoint:
    """Asks for tokens. Remembers how the server wants the client to identify itself once it is known."""

    def __init__(
        self,
        source: str,
        oauth2: OAuth2,
        credentials: Iterable[Credential],
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Clock,
        redactor: Redactor,
        timeout_s: float,
    ) -> None:
        self._source = source
        self._oauth2 = oauth2
        self._credentials = tuple(credentials)
        self._transport = transport
        self._clock = clock
        self._redactor = redactor
        self._timeout_s = timeout_s
        self._style: str = oauth2.client or ("basic" if oauth2.client_secret else "body")
        self._style_known = bool(oauth2.client) or not oauth2.client_secret

    async def grant(self, refresh_token: str = "") -> Grant:
        """Tokens; `refresh_token` is the one to present, if that is the grant.

        Raises AuthRefused with what to do, and TryAgain where another try may help.
        """
        try:
            granted = await self._ask(refresh_token, self._style)
        except _Unidentified as refused:
            if self._style_known:
                raise refused.error from None
            self._style = _OTHER_STYLE[self._style]
            self._style_known = True  # one change of mind, whatever comes of it
            try:
                granted = await self._ask(refresh_token, self._style)
            except _Unidentified as again:
                raise again.error from None
        self._style_known = True
        return granted

    async def _ask(self, refresh_token: str, style: str) -> Grant:
        try:
            async with asyncio.timeout(self._timeout_s):
                status, headers, body = await self._exchange(self._form(refresh_token, style), style)
        except TimeoutError:
            raise SourceUnavailable(f"{self._label}: no answer in {self._timeout_s:g} s", reason="timeout") from None
        told = _members(body)
        origins = self._origins(refresh_token)
        if status >= 400 or "error" in told:
            raise self._refused(status, headers, told, origins)
        return self._granted(status, told, origins)

    def _form(self, refresh_token: str, style: str) -> dict[str, str]:
        asked = self._oauth2
        form = {"grant_type": asked.grant, **dict(asked.params)}
        if asked.scope:
            form["scope"] = asked.scope
        if refresh_token:
            form["refresh_token"] = refresh_token
        if style == "body":
            form["client_id"] = asked.client_id
            if asked.client_secret:
                form["client_secret"] = asked.client_secret
        return form

    async def _exchange(self, form: Mapping[str, str], style: str) -> tuple[int, dict[str, str], bytes]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, identity",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": f"everypage/{__version__}",
        }
        if style == "basic":
            headers["Authorization"] = _basic(self._oauth2)
        origin, target = split_target(self._oauth2.token_url)
        request = httpx.Request(
            "POST", origin, headers=headers, content=urlencode(form).encode(), extensions={"target": target}
        )
        try:
            answer = await self._transport.handle_async_request(request)
            try:
                assert isinstance(answer.stream, httpx.AsyncByteStream)
                told = read_headers(answer.headers.raw)
                body, _ = await read_body(answer.stream, told.get("content-encoding", ""), _LARGEST)
                return answer.status_code, told, body
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            reason, words = failure_words(error)
            why = self._redactor(str(error))[:_EXCERPT]
            raise SourceUnavailable(f"{self._label}: {words}", why=why, reason=reason) from error

    def _granted(self, status: int, told: Mapping[str, object], origins: str) -> Grant:
        token, lifetime = told.get("access_token"), told.get("expires_in")
        if status >= 300 or not isinstance(token, str) or not token.isprintable() or not token:
            raise AuthRefused(
                f"{self._label} answered {status} without an access token",
                why=origins,
                hint="is token_url the endpoint that issues tokens, and not a page about it?",
            )
        rotated = told.get("refresh_token")
        self._redactor.fetched(token, *([rotated] if isinstance(rotated, str) else ()))
        return Grant(
            access_token=token,
            lifetime_s=_seconds(lifetime),
            refresh_token=rotated if isinstance(rotated, str) else "",
        )

    def _refused(self, status: int, headers: Mapping[str, str], told: Mapping[str, object], origins: str) -> Exception:
        code, description = str(told.get("error", "")), str(told.get("error_description", ""))
        why = self._redactor(": ".join(text for text in (code, " ".join(description.split())) if text))[:_EXCERPT]
        why = "; ".join(filter(None, (why, origins)))
        error = refusal(self._label, max(status, 400), headers, "", self._clock.now())
        if isinstance(error, TryAgain):
            return error
        refused = AuthRefused(
            f"{self._label} gave no token for {self._source} ({status})",
            why=why,
            hint=_HINTS.get(code, "look at `auth.oauth2` of this source, and at what the API allows this client"),
        )
        return _Unidentified(refused) if status in (400, 401) and code in _UNKNOWN_CLIENT else refused

    def _origins(self, refresh_token: str) -> str:
        """Where the client's credentials came from; a rotated refresh token came from the endpoint itself."""
        rotated = refresh_token != self._oauth2.refresh_token
        kept = [one for one in self._credentials if not (rotated and one.name == "refresh_token")]
        given = "refresh_token is one that the endpoint gave before" if rotated else ""
        return ", ".join(filter(None, (told_origins(kept), given)))

    @property
    def _label(self) -> str:
        return f"POST {self._redactor(self._oauth2.token_url.partition('?')[0])}"


class _Unidentified(Exception):
    """The endpoint did not read who the client is; another style may be what it reads."""

    def __init__(self, error: AuthRefused) -> None:
        super().__init__(error.what)
        self.error = error


def _basic(oauth2: OAuth2) -> str:
    """RFC 6749 2.3.1: both are form-encoded before they are joined."""
    pair = f"{quote_plus(oauth2.client_id)}:{quote_plus(oauth2.client_secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _members(body: bytes) -> Mapping[str, object]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(lifetime: object) -> float | None:
    """`3600`, and `"3600"` as some servers write it."""
    try:
        seconds = float(lifetime) if isinstance(lifetime, (int, float, str)) else -1.0
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None
