"""One client's connection: cuts the byte stream into requests and plays back what the server decided.

Written on `asyncio.Protocol` and not on streams because the bundled API must never be what a benchmark measures.
Requests of a connection are answered one after the other; one that arrives early waits in the buffer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from etl.testing.faults import Wire

_END: Final = b"\r\n\r\n"
_HEAD_CAP: Final = 64 * 1024
_BODY_CAP: Final = 16 * 1024 * 1024
_BAD: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Host(Protocol):
    """What a connection needs from its server."""

    def opened(self, connection: Connection) -> None:
        """A client connected."""

    def closed(self, connection: Connection) -> None:
        """It is gone, and so is whatever was being answered."""

    def received(self, connection: Connection, head: bytes, body: bytes) -> None:
        """A whole request; the server answers by `play` or `write`, at once or later."""


class Connection(asyncio.Protocol):
    """Belongs to the server's event loop; `play` and `write` are called once for each request received."""

    __slots__ = ("_buffer", "_busy", "_closing", "_host", "_loop", "_timer", "_transport")

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._buffer = b""
        self._busy = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=1 << 24)
        self._transport = transport
        self._host.opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._host.closed(self)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._take()

    def write(self, data: bytes) -> None:
        """Send a whole answer and look for the next request."""
        if self._transport is None:
            return
        self._transport.write(data)
        self._done("close" if self._closing else "keep")

    def play(self, wire: Wire) -> None:
        """Send an answer as a fault wants it."""
        self._play(wire, 0)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Run `call` after a delay, unless the client goes away before."""
        self._timer = self._loop.call_later(delay_s, call)

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _play(self, wire: Wire, at: int) -> None:
        if self._transport is None:
            return
        if wire.gap_s <= 0:
            self._transport.writelines(wire.chunks)
        elif at < len(wire.chunks):
            self._transport.write(wire.chunks[at])
            self.later(wire.gap_s, lambda: self._play(wire, at + 1))
            return
        self._done("close" if self._closing and wire.ending == "keep" else wire.ending)

    def _done(self, ending: str) -> None:
        assert self._transport is not None
        if ending == "keep":
            self._busy = False
            if self._buffer:
                # Not directly: a client that sends thousands of requests at once would deepen the stack by each.
                self._loop.call_soon(self._take)
        elif ending == "close":
            self._transport.close()
        elif ending == "reset":
            self._reset()

    def _reset(self) -> None:
        assert self._transport is not None
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            # SO_LINGER of zero seconds turns the close into a reset.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _take(self) -> None:
        if self._busy or self._transport is None or self._transport.is_closing():
            return
        end = self._buffer.find(_END)
        if end < 0:
            if len(self._buffer) > _HEAD_CAP:
                self._refuse()
            return
        head = self._buffer[:end]
        start = end + len(_END)
        length = 0 if head.startswith(b"GET ") else content_length(head)
        if length is None or length > _BODY_CAP:
            self._refuse()
            return
        if len(self._buffer) - start < length:
            return
        body = self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        self._busy = True
        self._closing = b"onnection: close" in head
        self._host.received(self, head, body)

    def _refuse(self) -> None:
        assert self._transport is not None
        self._transport.write(_BAD)
        self._transport.close()


def parse_head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Method, target and headers (names in lower case; the last of equal names counts)."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target = rest.rpartition(" ")[0]
    pairs = (line.partition(":") for line in lines)
    return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}


def content_length(head: bytes) -> int | None:
    """The announced length of the request's body; 0 without one, None when it is no number or the body is chunked."""
    headers = parse_head(head)[2]
    raw = headers.get("content-length", "0")
    return int(raw) if raw.isdecimal() and "transfer-encoding" not in headers else None
