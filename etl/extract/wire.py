"""One HTTP/1.1 connection: a request goes out, its answer comes back through llhttp, the parser of Node.js.

An answer is whole or an error: a length or a last chunk that never came is told as a cut, and only an answer that
announced neither may end with its connection. A connection that was cancelled, cut or spoilt is never used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_LONGEST_HEAD: Final = 64 * 1024
_FRAMING: Final = 16
"""Bytes around every byte of a body that we bear: chunks of one byte are odd, an endless trailer is an attack."""
_HELD: Final = 256 * 1024
"""Beyond so many bytes that nobody took, the server has to wait."""

Header = tuple[bytes, bytes]


class Broken(Exception):
    """A request that got no whole answer: a short stable reason, and words for people.

    `unseen`: the connection ended before the first byte of an answer.
    """

    def __init__(self, reason: str, words: str, detail: str = "", *, unseen: bool = False) -> None:
        super().__init__(detail or words)
        self.reason = reason
        self.words = words
        self.unseen = unseen


class Wire(asyncio.Protocol):
    """Speaks one request at a time. `made` is told once the connection stands, `gone` once it has ended."""

    def __init__(self, made: Callable[[Wire], None], gone: Callable[[Wire], None]) -> None:
        self._made = made
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._answered: asyncio.Future[None] | None = None
        self._more: asyncio.Future[None] | None = None
        self._failure: Broken | None = None
        self._chunks: list[bytes] = []
        self._held = self._received = self._passed = self._status = 0
        self._head: list[Header] = []
        self._has_head = self._is_whole = self._is_interim = self._has_end = False
        self._keeps = True
        self._has_no_body = False
        self.kept_since = 0.0
        """When it was put aside, by the clock of whoever did."""

    @property
    def is_usable(self) -> bool:
        """Whether another request may go out: the last answer ended well, and the server holds the connection."""
        return self._keeps and self._is_whole and self._failure is None

    async def ask(self, request: bytes) -> tuple[int, list[Header]]:
        """Send a whole request; status and headers of its answer as soon as they are there.

        An answer to HEAD announces a body that does not come; its connection is not used again.
        Raises Broken. A wire whose asking failed or was cancelled has to be closed.
        """
        if self._failure is not None or self._transport is None:
            raise self._failure or _hung_up(unseen=True)
        self._take()  # what nobody wanted of the last answer
        self._received = self._passed = 0
        self._has_head = self._is_whole = self._has_end = False
        self._answered = asyncio.get_running_loop().create_future()
        self._has_no_body = request.startswith(b"HEAD ")
        self._transport.write(request)
        await self._answered
        return self._status, self._head

    async def piece(self) -> bytes:
        """What came of the body since the last call; empty at its end. Raises Broken for one that is cut."""
        while not self._chunks:
            if self._is_whole:
                return b""
            if self._failure is not None:
                raise self._failure
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        return self._take()

    def detach(self) -> asyncio.Transport:
        """Hand the bare connection over to another protocol; this wire is done."""
        transport, self._transport, self._parser = self._transport, None, None
        if transport is None:
            raise self._failure or _hung_up()
        self._keeps = False
        self._gone(self)
        return transport

    def close(self) -> None:
        """End the connection now, whatever is on its way."""
        if self._failure is None:
            self._failure = _hung_up()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # asyncio hands out no other kind to a Protocol
        self._parser = HttpResponseParser(self)
        # What browsers bear of servers that are old or careless; none of it moves the end of an answer.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; anything that comes unasked spoils the connection."""
        if self._answered is None or self._parser is None or self._is_whole:
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._keeps = False
            if not self._is_whole:
                self._fail(Broken("protocol", "the answer is not HTTP", str(error)))
            return
        if self._received > _LONGEST_HEAD + _FRAMING * self._passed and not self._is_whole:
            self._fail(Broken("protocol", "the answer is not HTTP", "a head or a trailer without end"))
        elif self._held > _HELD and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up, or we did."""
        if self._has_head and not self._has_end and exc is None and self._failure is None:
            self._is_whole, self._keeps = True, False
            _wake(self._more)
        if not self._has_head:
            self._fail(_hung_up(str(exc or ""), unseen=not self._received))
        else:
            self._fail(Broken("truncated", "the answer was cut off", str(exc or "")))
        self._parser = self._transport = None  # it holds us, and we hold it
        self._gone(self)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._is_whole:
            self._keeps = False  # a second answer that nobody asked for
        else:
            self._head = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; after the head come trailers, which say nothing that we use."""
        if not self._has_head:
            self._head.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._parser is None or self._is_whole:
            return
        self._status = self._parser.get_status_code()
        self._is_interim = self._status < 200
        if self._is_interim:
            return
        self._has_head = True
        self._has_end = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._head)
        if self._has_no_body:  # the parser does not know, and waits for the length that the head announces
            self._is_whole, self._keeps = True, False
        _wake(self._answered)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self._is_whole:
            return
        self._chunks.append(body)
        self._held += len(body)
        self._passed += len(body)
        _wake(self._more)

    def on_message_complete(self) -> None:
        """Called by the parser; 100 and 103 come before the answer proper."""
        if self._is_interim or self._parser is None:
            return
        self._is_whole = True
        self._keeps = self._keeps and self._parser.should_keep_alive()
        _wake(self._more)

    def _take(self) -> bytes:
        found = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if self._held > _HELD and self._transport is not None:
            self._transport.resume_reading()
        self._chunks, self._held = [], 0
        return found

    def _fail(self, failure: Broken) -> None:
        if self._failure is None:
            self._failure = failure
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(self._failure)
        _wake(self._more)
        if self._transport is not None:
            self._transport.abort()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def _hung_up(detail: str = "", *, unseen: bool = False) -> Broken:
    return Broken("disconnected", "the server closed the connection", detail, unseen=unseen)
