"""One try: a request goes out signed, and its answer comes back whole and checked, or as an error that says why.

Redirects are followed here and not by a library: each step asks anew where credentials may go.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

import httpx

from etl.errors import AuthRefused, ForeignHost, MalformedPage, RequestRefused, SourceFailed, SourceUnavailable
from etl.extract.auth import Signer
from etl.extract.body import read_body
from etl.extract.headers import encoded, with_defaults
from etl.extract.limiter import SourceLimiter
from etl.extract.links import link_targets
from etl.extract.oauth2 import Tokens
from etl.extract.origins import Origins
from etl.extract.outage import Outage
from etl.extract.refused import elsewhere, origin_told
from etl.extract.request import Outgoing
from etl.extract.retry import http_date, quota_of, refusal
from etl.extract.signing_hook import SigningHook
from etl.extract.spelling import Speller
from etl.extract.transport import failure_words, is_dead_connection, read_headers, split_target
from etl.hooks import Request
from etl.model.events import QuotaSeen
from etl.model.page import Response
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.ports import Clock, Listener

_REDIRECTS: Final = 5
_HINTS: Final = {
    "connect": "is the server running, and is base_url right?",
    "dns": "is the host in base_url spelled right, and does this machine reach a name server?",
    "tls": "does this server speak https at this port? base_url says so",
    "files": "raise the limit of open files (ulimit -n), or lower limits.concurrency",
}
_UNTRUSTED: Final = (
    "mend the certificate, or name its authority in SSL_CERT_FILE and write trust_env: true; "
    "verify_tls: false would accept any certificate"
)
_EXCERPT: Final = 200
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_BRINGS_A_PAGE: Final = frozenset({200, 201, 203})
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What every request of a source needs."""

    source: Source
    transport: httpx.AsyncBaseTransport
    limiter: SourceLimiter
    outage: Outage = field(default_factory=Outage)
    origins: Origins
    signer: Signer
    tokens: Tokens | None = None
    hook: SigningHook | None = None
    clock: Clock
    listener: Listener
    redactor: Redactor
    rng: random.Random


class DeadConnection(Exception):
    """The server had closed a kept connection before it saw the request."""

    def as_error(self) -> SourceUnavailable:
        """What it is when it happens again."""
        return SourceUnavailable(f"{self.args[0]}: the server closed the connection", reason="disconnected")


class Exchange:
    """Sends the requests of one source."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._speller = Speller(wiring.source, wiring.signer, wiring.origins, wiring.redactor)
        self.spelled = self._speller.spelled
        # The same for nearly every request of a stream, and parsing them is what a request costs most.
        self._origin = lru_cache(maxsize=8)(httpx.URL)
        self._sent = lru_cache(maxsize=8)(self._sent_headers)

    def address(self, url: str) -> str:
        """A URL as it may be shown and stored."""
        return self._wiring.redactor(self._wiring.signer.unsigned(url))

    async def answer(self, outgoing: Outgoing, seq: int, authorization: str = "") -> Response:
        """One answer below 300, or 304 where the request asked for it; redirects within the source followed.

        `authorization` is that of a fetched token. Has no deadline of its own.
        Raises TryAgain, SourceFailed, TooLarge or DeadConnection.
        """
        outgoing, response = await self._followed(outgoing, seq, authorization)
        self._judge(outgoing, response.status, response.headers, response.body)
        return response

    async def raw(self, outgoing: Outgoing, seq: int) -> Response:
        """One answer whatever its status, markup included: for those who want to learn from a refusal."""
        return (await self._followed(outgoing, seq, ""))[1]

    async def _followed(self, outgoing: Outgoing, seq: int, authorization: str) -> tuple[Outgoing, Response]:
        """The answer behind the redirects, with the request that brought it."""
        clock = self._wiring.clock
        for _ in range(_REDIRECTS + 1):
            number = self._wiring.limiter.count()
            started_at, started = clock.now(), clock.monotonic()
            answer = await self._send(outgoing, authorization)
            self._wiring.outage.answered()
            # Without connecting, which takes several round trips and says nothing about the server's load.
            first_byte_s = clock.monotonic() - started - answer.extensions.get("connecting_s", 0.0)
            try:
                status, headers = answer.status_code, self._headers(answer.headers)
                if status in _REDIRECTING and "location" in headers:
                    outgoing = self._redirected(outgoing, status, headers["location"])
                    continue
                body, wire_bytes = await self._body(outgoing, answer, headers)
            finally:
                await answer.aclose()
            if status in _BRINGS_A_PAGE:
                self._look_at_quota(headers, number)
            return outgoing, Response(
                status=status,
                headers=headers,
                body=body,
                url=self.address(outgoing.url),
                links=self._links(headers["link"], outgoing.url) if "link" in headers else {},
                served_at=http_date(headers.get("date", "")),
                started_at=started_at,
                seconds=clock.monotonic() - started,
                first_byte_s=max(0.0, first_byte_s),
                wire_bytes=wire_bytes,
                seq=seq,
            )
        raise SourceFailed(f"{self._label(outgoing)}: more than {_REDIRECTS} redirects")

    async def _send(self, outgoing: Outgoing, authorization: str) -> httpx.Response:
        wiring = self._wiring
        own = wiring.origins.is_own(outgoing.url)
        url = wiring.signer.sign(outgoing.url) if own else outgoing.url
        if not own:
            self._refuse_secret_body(outgoing)
        content = outgoing.content
        try:
            headers = self._sent(outgoing.headers, authorization) if own else self._sent(None, "")
            if own and wiring.hook is not None:
                url, headers, content = self._signed_by_hook(wiring.hook, outgoing, url, headers)
            origin, target = split_target(url)
            request = httpx.Request(
                outgoing.method,
                self._origin(origin),
                headers=headers,
                content=content,
                extensions={"target": target},
            )
        except (httpx.InvalidURL, ValueError):
            raise SourceFailed(
                f"{self._label(outgoing)} cannot be sent",
                why="it holds signs that no URL and no header may hold",
                hint="does a secret end with a line break?",
            ) from None
        try:
            return await wiring.transport.handle_async_request(request)
        except httpx.HTTPError as error:
            if is_dead_connection(error):
                raise DeadConnection(self._label(outgoing)) from error
            raise self._unavailable(outgoing, error) from error

    def _refuse_secret_body(self, outgoing: Outgoing) -> None:
        """A redirect repeats the body, and no host but the source's own may see what it holds."""
        text = (outgoing.content or b"").decode("utf-8", "replace")
        if self._wiring.redactor(text) != text:
            raise ForeignHost(
                f"{self._label(outgoing)}: the body holds a secret, and that host is not the source's own",
                hint="name the final address in base_url",
            )

    def _signed_by_hook(
        self, hook: SigningHook, outgoing: Outgoing, url: str, headers: httpx.Headers
    ) -> tuple[str, httpx.Headers, bytes | None]:
        given = Request(
            method=outgoing.method,
            url=url,
            headers=tuple((name.decode(), value.decode()) for name, value in headers.raw),
            body=outgoing.content or b"",
        )
        signed = hook(given, self._wiring.origins, self._wiring.redactor)
        return signed.url, encoded(signed.headers), signed.body or None

    def _redirected(self, outgoing: Outgoing, status: int, location: str) -> Outgoing:
        """303 asks for a GET, whatever was sent (RFC 9110 15.4.4); the others repeat the request."""
        url = self._wiring.origins.resolve(location, outgoing.url)
        if status == 303:
            return replace(outgoing, method="GET", url=url, content=None)
        return replace(outgoing, url=url)

    async def _body(self, outgoing: Outgoing, answer: httpx.Response, headers: Mapping[str, str]) -> tuple[bytes, int]:
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        cap = self._wiring.source.limits.body
        try:
            body, wire_bytes = await read_body(answer.stream, headers.get("content-encoding", ""), cap)
        except httpx.HTTPError as error:
            raise self._unavailable(outgoing, error) from error
        except MalformedPage:
            if answer.status_code < 300:
                raise
            return b"", 0  # the status says more than its text, and a 429 has a wait to tell
        return self._wiring.signer.scrub(body.removeprefix(_BOM)), wire_bytes

    def _judge(self, outgoing: Outgoing, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raises what an answer that is no page means."""
        if status >= 400:
            error = refusal(self._label(outgoing), status, headers, self._excerpt(body), self._wiring.clock.now())
            raise self._origin_told(error, outgoing, headers) if isinstance(error, AuthRefused) else error
        if status == HTTPStatus.NOT_MODIFIED and outgoing.is_conditional and self._wiring.origins.is_own(outgoing.url):
            return  # elsewhere the condition was not sent
        if status not in _BRINGS_A_PAGE and not (outgoing.method == "HEAD" and status < 300):
            raise RequestRefused(f"{self._label(outgoing)} answered {status}, which brings no page", status=status)
        if body.lstrip()[:1] == b"<":
            # A login or error page with status 200 is no empty page.
            kind = headers.get("content-type", "no content type")
            raise MalformedPage(
                f"{self._label(outgoing)} answered with markup instead of JSON ({kind})",
                why=f"the answer begins: {self._excerpt(body)}",
                hint="a login or error page: look at auth and base_url",
                reason="not-json",
            )

    def _origin_told(self, refused: AuthRefused, outgoing: Outgoing, headers: Mapping[str, str]) -> AuthRefused:
        wiring = self._wiring
        if not wiring.origins.is_own(outgoing.url):
            return elsewhere(refused)
        return origin_told(refused, wiring.source, self._speller.sent(outgoing), headers.get("www-authenticate", ""))

    def _look_at_quota(self, headers: Mapping[str, str], number: int) -> None:
        """Stop before the server has to say no. A pause that no run waits for is left to the answer after this one."""
        wiring, now = self._wiring, self._wiring.clock.now()
        quota = quota_of(headers, now)
        if quota is None:
            return
        reset_s = quota.reset_s
        reset_at = None if reset_s is None or reset_s > 366 * 86400 else now + timedelta(seconds=reset_s)
        wiring.listener(
            QuotaSeen(
                source=wiring.source.name,
                remaining=max(quota.remaining, 0),
                limit=quota.limit,
                reset_at=reset_at,
            )
        )
        if reset_s is not None:
            wiring.limiter.quota(quota.remaining, reset_s, number)

    def _sent_headers(self, own: tuple[tuple[str, str], ...] | None, authorization: str) -> httpx.Headers:
        """What goes out: to the source's own origin with credentials, elsewhere (None) only what every client sends.

        Raises ValueError for a value that would forge another header.
        """
        signed = (*self._wiring.signer.headers, *((("Authorization", authorization),) if authorization else ()))
        headers = with_defaults(() if own is None else (*own, *signed))
        return encoded(headers)

    def _headers(self, raw: httpx.Headers) -> dict[str, str]:
        headers = read_headers(raw.raw)
        if not self._wiring.signer.signs_urls:
            return headers
        scrub = self._wiring.signer.scrub
        return {name: scrub(value.encode()).decode() for name, value in headers.items()}

    def _links(self, header: str, url: str) -> dict[str, str]:
        """Relation to absolute URL; what cannot be read as a link is none."""
        found: dict[str, str] = {}
        for rel, link in link_targets(header):
            with suppress(ValueError):
                found.setdefault(rel, self._wiring.signer.unsigned(urljoin(url, link)))
        return found

    def _unavailable(self, outgoing: Outgoing, error: httpx.HTTPError) -> SourceUnavailable | SourceFailed:
        reason, words = failure_words(error)
        what, why = f"{self._label(outgoing)}: {words}", self._wiring.redactor(str(error))[:_EXCERPT]
        if reason == "certificate":
            return SourceFailed(what, why=why, hint=_UNTRUSTED)
        hint = _HINTS.get(reason, "")
        return SourceUnavailable(what, why=why, hint=hint, reason=reason)

    def _label(self, outgoing: Outgoing) -> str:
        return f"{outgoing.method} {self.address(outgoing.url)}"

    def _excerpt(self, body: bytes) -> str:
        text = body[: 4 * _EXCERPT].decode("utf-8", "replace")
        return self._wiring.redactor(" ".join(text.split()))[:_EXCERPT]
