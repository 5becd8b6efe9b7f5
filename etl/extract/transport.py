"""The one place that knows what carries httpx requests.

httpx's own pool walks all connections at every request and loses slots for ever after cancellations, so an aiohttp
session stands behind the same `AsyncBaseTransport` interface. Cookies are off: a list must not depend on what an
earlier page set. Nothing is unpacked, redirected or quoted here: URLs go out byte for byte, bodies come in as sent.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp
import httpx
from yarl import URL

from etl.model.source import Source

_CONNECT_S: Final = 10.0
"""The total deadline of a request is the client's; only connecting has a shorter one of its own."""
_KEEPALIVE_S: Final = 30.0
_LONGEST_LINE: Final = 64 * 1024
_FAILURES: Final = (aiohttp.ClientError, OSError)
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNWRITTEN: Final = re.compile(r"[^!#-;=?-~]")
"""What no request line holds as it is; everything else goes out as it is spelt, `%7E` and `~` alike."""


class _Carrier(httpx.AsyncBaseTransport):
    """The session is its opener's to close."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The status and headers, as soon as they are there; the body is read through `stream`.

        The extension `target` goes out in place of the path and query of the URL.
        """
        origin, target = request.url, request.extensions["target"].decode("ascii")
        try:
            answer = await self._session.request(
                request.method,
                # Quoted anew, a link signed over its spelling would break.
                URL(f"{origin.scheme}://{origin.netloc.decode('ascii')}{target}", encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
            )
        except _FAILURES as error:
            raise httpx.TransportError(str(error)) from error
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Chunks(answer), request=request)


class _Chunks(httpx.AsyncByteStream):
    """The body as it arrives, still packed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except _FAILURES as error:
            raise httpx.TransportError(str(error)) from error

    async def aclose(self) -> None:
        """Give the connection back; one with an unread rest is closed."""
        self._answer.release()


@asynccontextmanager
async def open_transport(source: Source, connections: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A transport with room for `connections` at once; closes them at the end."""
    tls: ssl.SSLContext | bool = True
    if source.base_url.startswith("https") or source.allow_hosts or source.auth.oauth2:
        tls = httpx.create_ssl_context(verify=source.verify_tls, trust_env=source.trust_env)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=source.trust_env,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    # It would send a GET again by itself, unseen by the rate, the numbering and the count of tries.
    session._retry_connection = False
    async with session:
        yield _Carrier(session)


def is_dead_connection(error: BaseException) -> bool:
    """A kept connection that the server had closed before it saw the request: the request may simply go again."""
    return isinstance(
        error.__cause__, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError)
    ) and not isinstance(error.__cause__, aiohttp.ClientConnectorError)


def failure_words(error: httpx.HTTPError) -> tuple[str, str]:
    """A short stable reason and a sentence for a transport error."""
    cause = error.__cause__
    match cause:
        case aiohttp.ClientConnectorCertificateError():
            return "certificate", "TLS verification failed"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls", "no TLS connection could be made"
        case aiohttp.ClientConnectorDNSError():
            return "dns", "the host name was not found"
        case aiohttp.ServerTimeoutError():
            return "timeout", "the connection was not made in time"
        case aiohttp.ClientConnectorError():
            return "connect", "the server could not be reached"
        case aiohttp.ServerDisconnectedError():
            return "disconnected", "the server closed the connection"
        case aiohttp.ClientPayloadError():
            return "truncated", "the answer was cut off"
        case aiohttp.ClientResponseError():
            return "protocol", "the answer is not HTTP"
        case _:
            return "protocol", "the connection failed"


def split_target(url: str) -> tuple[str, bytes]:
    """Origin, and path with query byte for byte: an API may have signed a link over its own spelling.

    Only what no request line can hold is encoded: blanks, quotes, angle brackets, and letters beyond ASCII. Raises
    ValueError for control characters.
    """
    scheme, _, rest = url.partition("#")[0].partition("://")
    host = rest.partition("?")[0].partition("/")[0]
    target = rest[len(host) :]
    if _UNSENDABLE.search(target):
        raise ValueError("a control character in a URL")
    encoded = _UNWRITTEN.sub(lambda found: quote(found[0]), target).encode("ascii")
    return f"{scheme}://{host}", encoded if encoded.startswith(b"/") else b"/" + encoded


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case; the values of a name that comes more than once are joined by a comma (RFC 9110 5.3)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
