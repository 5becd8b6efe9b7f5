"""The one place that knows what carries httpx requests.

httpx's own pool walks all connections at every request and loses slots for ever after cancellations, so an aiohttp
session stands behind the same `AsyncBaseTransport` interface. Cookies are off: a list must not depend on what an
earlier page set. Nothing is unpacked, redirected or quoted here: URLs go out byte for byte, bodies come in as sent.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp
import httpx
from yarl import URL

from etl.model.stream import Source

_CONNECT_S: Final = 10.0
"""The total deadline of a request is the client's; only connecting has a shorter one of its own."""
_KEEPALIVE_S: Final = 30.0
_LONGEST_LINE: Final = 64 * 1024


class _Carrier(httpx.AsyncBaseTransport):
    """The session is its opener's to close."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The status and headers, as soon as they are there; the body is read through `stream`."""
        with _named_as_httpx():
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),  # quoted anew, a link signed over its spelling would break
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
            )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Chunks(answer), request=request)


class _Chunks(httpx.AsyncByteStream):
    """The body as it arrives, still packed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _named_as_httpx():
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Give the connection back; one with an unread rest is closed."""
        self._answer.release()


@contextmanager
def _named_as_httpx() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.TransportError(str(error)) from error


@asynccontextmanager
async def open_transport(source: Source, connections: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A transport with room for `connections` at once; closes them at the end."""
    tls: ssl.SSLContext | bool = True
    if source.base_url.startswith("https") or source.allow_hosts:
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
