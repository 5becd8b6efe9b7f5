"""Streams and the streams whose rows are their members, in one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from etl.listeners.arrivals import Arrivals
from etl.model.stream import Stream


def parent_id(stream: Stream) -> str | None:
    """The stream whose rows are the members, None for a stream that has no such members."""
    rows = None if stream.for_each is None else stream.for_each.rows
    return None if rows is None else rows.stream


def parents_first(streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """The same streams, every one behind its parent."""
    known = {stream.id: stream for stream in streams}

    def depth(stream: Stream) -> int:
        parent = known.get(parent_id(stream) or "")
        return 0 if parent is None else depth(parent) + 1

    return tuple(sorted(streams, key=depth))


@contextmanager
def awaited(arrivals: Arrivals, streams: Sequence[Stream]) -> Iterator[None]:
    """For the length of a run its children hear of those parents that are read in it."""
    chosen = {stream.id for stream in streams}
    parents = {parent for stream in streams if (parent := parent_id(stream)) in chosen and parent is not None}
    arrivals.expect(parents)
    try:
        yield
    finally:
        arrivals.forget(parents)
