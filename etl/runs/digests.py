"""Counts different 8-byte key digests in bounded memory: what does not fit is sorted into buckets on disk."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_BUCKETS = 256
_BYTES = 8


class DigestCount:
    """Takes digests in any order, then counts the different ones.

    Up to `in_memory` digests stay in a set. Beyond that they go to a temporary file in 256 buckets that are counted
    one by one, so memory is about a 256th of all of them. Blocking; meant for a thread when there are many.
    """

    def __init__(self, *, in_memory: int = 100_000) -> None:
        self._in_memory = in_memory
        self._seen: set[int] = set()
        self._buffers: list[array[int]] = []
        self._buffered = 0
        self._chunks: list[list[tuple[int, int]]] = []
        self._file: tempfile.SpooledTemporaryFile[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, packed: bytes) -> None:
        """Take the digests of one page, 8 bytes each."""
        values = memoryview(packed).cast("Q")  # native byte order: only equality matters here
        if self._file is None:
            self._seen.update(values)
            if len(self._seen) > self._in_memory:
                self._spill()
            return
        for value in values:
            self._buffers[value % _BUCKETS].append(value)
        self._buffered += len(values)
        if self._buffered > self._in_memory:
            self._flush()

    def count(self) -> int:
        """How many different digests were added."""
        if self._file is None:
            return len(self._seen)
        return sum(map(len, self._each_bucket()))

    def without(self, other: DigestCount) -> array[int]:
        """The different digests that were added here and not to `other`, sorted."""
        if self._file is None and other._file is None:
            return array("Q", sorted(self._seen - other._seen))
        found: array[int] = array("Q")
        for mine, theirs in zip(self._each_bucket(), other._each_bucket(), strict=True):
            found.extend(mine - theirs)
        return array("Q", sorted(found))

    def _each_bucket(self) -> Iterator[set[int]]:
        if self._file is None:
            self._spill()
        self._flush()
        assert self._file is not None  # `_spill` made it
        for chunks in self._chunks:
            seen: set[int] = set()
            for offset, size in chunks:
                self._file.seek(offset)
                seen.update(memoryview(self._file.read(size)).cast("Q"))
            yield seen

    def _spill(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=4 * self._in_memory * _BYTES)  # noqa: SIM115 - __exit__ closes
        self._buffers = [array("Q") for _ in range(_BUCKETS)]
        self._chunks = [[] for _ in range(_BUCKETS)]
        seen, self._seen = self._seen, set()
        for value in seen:
            self._buffers[value % _BUCKETS].append(value)
        self._buffered = len(seen)

    def _flush(self) -> None:
        assert self._file is not None  # only called once digests go to the file
        offset = self._file.seek(0, 2)
        for bucket, chunks in zip(self._buffers, self._chunks, strict=True):
            if bucket:
                data = bucket.tobytes()
                self._file.write(data)
                chunks.append((offset, len(data)))
                offset += len(data)
                del bucket[:]
        self._buffered = 0
