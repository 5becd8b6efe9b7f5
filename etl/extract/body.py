"""An honest, bounded reader of response bodies.

HTTP libraries stop after the first gzip member, accept a truncated one when the connection just closes, and unpack
whatever a bomb unpacks to. Here a body is whole (every member to its own end), no larger than the cap, or an error.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Iterator
from typing import Final

from etl.errors import MalformedPage, TooLarge

_PIECE: Final = 64 * 1024
_GZIP: Final = 31
_ZLIB: Final = 15


async def read_body(chunks: AsyncIterable[bytes], encoding: str, cap: int) -> tuple[bytes, int]:
    """The decoded body and the number of bytes it took on the wire.

    `cap` is in bytes after decompression. Raises TooLarge beyond it, MalformedPage for a truncated or damaged body
    and for an encoding nobody asked for.
    """
    unpacker = _unpacker(encoding)
    parts: list[bytes] = []
    size = wire = 0
    async for chunk in chunks:
        wire += len(chunk)
        for part in unpacker.feed(chunk) if unpacker else (chunk,):
            size += len(part)
            if size > cap:
                raise TooLarge(
                    f"a response is larger than {cap:,} bytes", hint="raise limits.body, or ask for smaller pages"
                )
            parts.append(part)
    if unpacker and not unpacker.is_complete:
        raise MalformedPage("a compressed response ended too early", reason="truncated")
    return (parts[0] if len(parts) == 1 else b"".join(parts)), wire


class _Unpacker:
    """Inflates piece by piece, member after member; memory stays at one piece whatever a chunk unpacks to."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._inflater = zlib.decompressobj(window_bits)
        self._fresh = True

    @property
    def is_complete(self) -> bool:
        """True between members: nothing began that did not end."""
        return self._fresh

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises MalformedPage for bytes that are not of the encoding."""
        try:
            while data:
                out = self._inflater.decompress(data, _PIECE)
                self._fresh = False
                if out:
                    yield out
                data = self._inflater.unconsumed_tail
                if self._inflater.eof:
                    data = self._inflater.unused_data.lstrip(b"\0")
                    self._inflater, self._fresh = zlib.decompressobj(self._window_bits), True
            yield from self._held_back()
        except zlib.error as error:
            raise MalformedPage("a compressed response is damaged", why=str(error), reason="truncated") from error

    def _held_back(self) -> Iterator[bytes]:
        while not self._fresh and not self._inflater.eof:
            out = self._inflater.decompress(b"", _PIECE)
            if not out:
                return
            yield out
        if self._inflater.eof:
            self._inflater, self._fresh = zlib.decompressobj(self._window_bits), True


def _unpacker(encoding: str) -> _Unpacker | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Unpacker(_GZIP)
        case "deflate":
            return _Unpacker(_ZLIB)
        case other:
            raise MalformedPage(
                f"the server answered in the encoding {other!r}, which nobody asked for", reason="encoding"
            )
