"""The one place that knows what carries httpx requests.

httpx's own pool walks all connections at every request and loses slots for ever after cancellations, so an aiohttp
session stands behind the same `AsyncBaseTransport` interface. Cookies are off: a list must not depend on what an
earlier page set.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from etl.model.stream import Source

_CONNECT_S = 10.0
_KEEPALIVE_S = 30.0

TIMEOUT = {"connect": _CONNECT_S, "read": None, "write": None, "pool": None}
"""The total deadline of a request is the client's; only connecting has a shorter one of its own."""


@asynccontextmanager
async def open_transport(source: Source, connections: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A transport with room for `connections` at once; closes them at the end."""
    tls: ssl.SSLContext | bool = True
    if source.base_url.startswith("https") or source.allow_hosts:
        tls = httpx.create_ssl_context(verify=source.verify_tls, trust_env=source.trust_env)
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=tls, loop=asyncio.get_running_loop()
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=source.trust_env,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
        max_line_size=64 * 1024,
        max_field_size=64 * 1024,
    )
    async with session:
        yield AiohttpTransport(client=session)


def is_dead_connection(error: BaseException) -> bool:
    """A kept connection that the server had closed before it saw the request: the request may simply go again."""
    return isinstance(error.__cause__, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)) and not isinstance(
        error.__cause__, aiohttp.ClientConnectorError
    )


def failure_words(error: httpx.HTTPError) -> tuple[str, str]:
    """A short stable reason and a sentence for a transport error."""
    cause = error.__cause__
    match cause:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls", "TLS verification failed"
        case aiohttp.ClientConnectorDNSError():
            return "dns", "the host name was not found"
        case aiohttp.ClientConnectorError():
            return "connect", "the server could not be reached"
        case aiohttp.ServerTimeoutError():
            return "timeout", "the connection was not made in time"
        case aiohttp.ServerDisconnectedError():
            return "disconnected", "the server closed the connection"
        case aiohttp.ClientPayloadError():
            return "truncated", "the answer was cut off"
        case _:
            return "protocol", "the connection failed"
