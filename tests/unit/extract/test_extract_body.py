"""A body is whole and within its cap, or an error: nothing in between."""

import gzip
import tracemalloc
import zlib

import pytest

from etl.errors import MalformedPage, TooLarge
from etl.extract.body import read_body

TEXT = b'{"data": [' + b",".join(b'{"id": %d}' % n for n in range(400)) + b"]}"


async def chunks(body, size=100):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body, encoding="gzip", cap=1_000_000, size=100):
    return await read_body(chunks(body, size), encoding, cap)


@pytest.mark.parametrize("size", [1, 7, 100, 65_536])
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "x-gzip", "deflate", " GZIP "])
async def test_a_body_arrives_as_it_was_packed(encoding, size):
    """The size of the chunks does not matter; the bytes on the wire are counted before unpacking."""
    sent = {"": TEXT, "identity": TEXT, "deflate": zlib.compress(TEXT)}.get(encoding, gzip.compress(TEXT))

    assert await read(sent, encoding, size=size) == (TEXT, len(sent))


async def test_every_member_of_a_gzip_body_is_read():
    """Two members and zero bytes between them; libraries that stop at the first one lose half."""
    sent = gzip.compress(TEXT[:500]) + b"\0\0\0" + gzip.compress(TEXT[500:])

    assert (await read(sent))[0] == TEXT


async def test_no_truncation_of_a_gzip_body_passes_silently():
    """Cut at every 7th byte from the second on."""
    sent = gzip.compress(TEXT)

    for length in range(1, len(sent), 7):
        with pytest.raises(MalformedPage) as caught:
            await read(sent[:length])
        assert caught.value.reason == "truncated"


async def test_a_truncated_second_member_does_not_pass():
    """The first one being whole proves nothing."""
    sent = gzip.compress(TEXT) + gzip.compress(TEXT)[:-4]

    with pytest.raises(MalformedPage, match="too early"):
        await read(sent)


@pytest.mark.parametrize("damaged", [b"this is no gzip", gzip.compress(TEXT)[:50] + b"\xff" * 100])
async def test_bytes_that_are_not_of_the_encoding_are_an_error(damaged):
    """Also in the middle of a stream that began well."""
    with pytest.raises(MalformedPage, match="damaged"):
        await read(damaged)


async def test_something_after_the_last_member_is_an_error():
    """A server that appends a warning to a packed body has not sent a page."""
    with pytest.raises(MalformedPage, match="damaged"):
        await read(gzip.compress(TEXT) + b"PHP Warning")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_an_encoding_nobody_asked_for_is_named(encoding):
    """It would arrive as bytes that look like a broken page."""
    with pytest.raises(MalformedPage, match=encoding):
        await read(TEXT, encoding)


@pytest.mark.parametrize(("encoding", "pack"), [("", bytes), ("gzip", gzip.compress)])
async def test_the_cap_counts_unpacked_bytes(encoding, pack):
    """A body of exactly the cap passes, one byte more does not."""
    assert (await read(pack(b"x" * 1000), encoding, cap=1000))[0] == b"x" * 1000
    with pytest.raises(TooLarge, match="1,000 bytes"):
        await read(pack(b"x" * 1001), encoding, cap=1000)


async def test_a_bomb_is_stopped_before_it_unpacks():
    """40 KB unpack to 40 MB; with a cap of 1 MB the memory stays near the cap."""
    bomb = gzip.compress(b"\0" * 40_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await read(bomb, cap=1_000_000, size=len(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000


async def test_an_empty_body_is_empty():
    """Whatever its encoding claims."""
    assert await read(b"", "gzip") == (b"", 0)
