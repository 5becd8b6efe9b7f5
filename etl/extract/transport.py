"""The one place that knows what carries httpx requests.

httpx's own pool walks all connections at every request and loses slots for ever after cancellations, so connections of
our own stand behind the same `AsyncBaseTransport` interface, parsed by llhttp. There are no cookies: a list must not
depend on what an earlier page set. Nothing is unpacked, redirected or quoted here: URLs go out byte for byte, bodies
come in as sent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final
from urllib.parse import quote

import httpx

from etl.extract.connections import Connections, Place, open_connections
from etl.extract.wire import Broken, Wire
from etl.model.source import Source

_PORTS: Final = {"http": 80, "https": 443}
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNWRITTEN: Final = re.compile(r"[^!#-;=?-~]")
"""What no request line holds as it is; everything else goes out as it is spelt, `%7E` and `~` alike."""


class _Carrier(httpx.AsyncBaseTransport):
    """The connections are their opener's to close."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The status and headers, as soon as they are there; the body is read through `stream`.

        The extension `target` goes out in place of the path and query of the URL; `connecting_s` of the answer tells
        how long there was no connection.
        """
        url = request.url
        place = (url.scheme, url.host, url.port or _PORTS[url.scheme])
        began = monotonic()
        try:
            wire = await self._connections.take(place)
            connecting_s = monotonic() - began
            try:
                status, headers = await wire.ask(self._written(request, place))
            except BaseException:
                wire.close()
                raise
        except Broken as broken:
            raise httpx.TransportError(str(broken)) from broken
        body = _Body(self._connections, place, wire)
        extensions = {"connecting_s": connecting_s}
        return httpx.Response(status, headers=headers, stream=body, request=request, extensions=extensions)

    def _written(self, request: httpx.Request, place: Place) -> bytes:
        target: bytes = request.extensions["target"]
        lines = [b"%b: %b" % pair for pair in request.headers.raw]
        if place[0] == "http" and (proxy := self._connections.proxy(place)) is not None:
            target = b"http://" + request.url.netloc + target
            if proxy.authorization:
                lines.append(b"Proxy-Authorization: " + proxy.authorization.encode("ascii"))
        first = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)
        return b"\r\n".join((first, *lines, b"", request.content))


class _Body(httpx.AsyncByteStream):
    """The body as it arrives, still packed."""

    def __init__(self, connections: Connections, place: Place, wire: Wire) -> None:
        self._connections = connections
        self._place = place
        self._wire: Wire | None = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert self._wire is not None
        try:
            while piece := await self._wire.piece():
                yield piece
        except Broken as broken:
            raise httpx.TransportError(str(broken)) from broken

    async def aclose(self) -> None:
        """Give the connection back; one with an unread rest is closed."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._connections.give_back(self._place, wire)


@asynccontextmanager
async def open_transport(source: Source, connections: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A transport that keeps up to `connections` open; closes them at the end."""
    async with open_connections(source, connections) as opened:
        yield _Carrier(opened)


def is_dead_connection(error: BaseException) -> bool:
    """A connection that the server had closed before it saw the request: the request may simply go again."""
    return isinstance(error.__cause__, Broken) and error.__cause__.unseen


def failure_words(error: httpx.HTTPError) -> tuple[str, str]:
    """A short stable reason and a sentence for a transport error."""
    cause = error.__cause__
    return (cause.reason, cause.words) if isinstance(cause, Broken) else ("protocol", "the connection failed")


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
