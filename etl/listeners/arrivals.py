"""What streams hear of the streams whose rows are their members, while both are read in one run.

Rows are not handed over, only the news that there are some: whoever waits looks into the database, where they are
committed, so that what it sees is what a later run would see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from etl.model.events import BatchCommitted, Event, StreamFinished
from etl.model.run import StreamResult


class _News:
    """One awaited stream. `version` counts the commits that brought new or changed rows, and the end."""

    __slots__ = ("changed", "result", "version")

    def __init__(self) -> None:
        self.version = 0
        self.changed = asyncio.Event()
        self.result: StreamResult | None = None

    def tell(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()


class Arrivals:
    """A listener; implements `ports.Arrivals`."""

    def __init__(self) -> None:
        self._awaited: dict[str, _News] = {}

    def __call__(self, event: Event) -> None:
        """Note commits and ends of awaited streams."""
        match event:
            case BatchCommitted():
                news = self._awaited.get(event.stream)
                if news is not None and (event.counts.inserted or event.counts.updated):
                    news.tell()
            case StreamFinished():
                news = self._awaited.get(event.result.stream)
                if news is not None:
                    news.result = event.result
                    news.tell()
            case _:
                pass

    def expect(self, streams: Iterable[str]) -> None:
        """These streams are about to be read; before any of them begins."""
        self._awaited.update({stream: _News() for stream in streams})

    def forget(self, streams: Iterable[str]) -> None:
        """Their run is over."""
        for stream in streams:
            self._awaited.pop(stream, None)

    def version(self, stream: str) -> int | None:
        """How much was heard of a stream so far; None for one that nobody expects."""
        news = self._awaited.get(stream)
        return None if news is None else news.version

    def result(self, stream: str) -> StreamResult | None:
        """How an awaited stream ended; None before its end, and for one that nobody expects."""
        news = self._awaited.get(stream)
        return None if news is None else news.result

    async def after(self, stream: str, version: int) -> None:
        """Return once more was heard of the stream than `version`. Its own deadlines bound the wait."""
        news = self._awaited[stream]
        while news.version <= version:
            await news.changed.wait()
