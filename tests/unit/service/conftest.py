"""A whole application over a real SQLite file, with an API that is only a function."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.bootstrap import open_app
from etl.errors import SourceFailed
from etl.extract import SourceClient
from etl.model.instants import from_micros, iso
from etl.model.page import PageRequest, Response
from etl.testing.doubles import FakeLimiter, FakeStop, RecordingListener

SHOP = """\
base_url: http://shop.invalid
streams:
  items:
    path: /items
    records: items
    pages: {number: 0, size: 2, total_rows: total}
    params: {page: "{page}"}
    key: id
    schedule: every 1h
  orders:
    path: /orders
    records: items
    pages: {number: 0, size: 2, total_rows: total}
    params: {page: "{page}", since: "{start}", until: "{end}"}
    key: id
    incremental: {field: at, lag: 0s}
  notes:
    path: /notes
    records: items
    pages: none
    key: id
    expect: {fresh: 1h}
"""


class SetClock:
    """The wall clock stands where the test puts it; waits are real, and nothing here waits long."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 10, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, **span: float) -> None:
        self._now += timedelta(**span)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeApi(SourceClient):
    """Lists by name of the stream; `before` is called with every request, and may raise or ask for a stop."""

    held_s = 0.0

    def __init__(self) -> None:
        days = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)]
        self.lists: dict[str, list[dict[str, Any]]] = {
            "items": [{"id": n} for n in range(1, 6)],
            "orders": [{"id": n, "at": iso(day)} for n, day in enumerate(days, 1)],
            "notes": [{"id": 1}],
        }
        self.asked: list[tuple[str, PageRequest]] = []
        self.holds = False
        """True: nothing is ever answered."""
        self.before: Callable[[str, PageRequest], None] = lambda name, request: None
        self._limiter = FakeLimiter()

    @property
    def limiter(self) -> FakeLimiter:
        return self._limiter

    def stream(self, stream, decoder, next_seq):
        return _FakeStream(self, stream, decoder, next_seq)

    def answer(self, name: str, request: PageRequest) -> dict[str, Any]:
        start, end = request.window.start, request.window.end
        low = "" if start is None else iso(from_micros(start))
        high = "9" if end is None else iso(from_micros(end))
        rows = [row for row in self.lists[name] if low <= row.get("at", low) < high]
        page = request.page or 0
        return {"items": rows[page * 2 : page * 2 + 2] if name != "notes" else rows, "total": len(rows)}


class _FakeStream:
    def __init__(self, api: FakeApi, stream, decoder, next_seq) -> None:
        self._api, self._stream, self._decoder, self._next_seq = api, stream, decoder, next_seq

    async def fetch(self, request: PageRequest):
        self._api.asked.append((self._stream.name, request))
        self._api.before(self._stream.name, request)
        if self._api.holds:
            await asyncio.Event().wait()
        at = datetime(2026, 1, 10, 12, tzinfo=UTC)
        body = json.dumps(self._api.answer(self._stream.name, request)).encode()
        response = Response(status=200, headers={}, body=body, url="", started_at=at, seq=self._next_seq())
        return self._decoder.decode(request, response)


class World:
    """`world.app` is real but for the way to the API, which is `world.api`."""

    def __init__(self, app, clock: SetClock, heard: RecordingListener) -> None:
        self.api = FakeApi()
        self.clock = clock
        self.heard = heard
        self.stop = FakeStop()

        @asynccontextmanager
        async def opened(source, *, concurrency=None):
            yield self.api

        self.app = replace(app, open_source=opened)

    def down(self, *names: str) -> None:
        """These streams fail at the source from now on."""

        def before(name: str, request: PageRequest) -> None:
            if name in names:
                raise SourceFailed("the shop is closed")

        self.api.before = before


@pytest.fixture
async def world(tmp_path: Path):
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    clock, heard = SetClock(), RecordingListener()
    async with open_app(folder, f"sqlite:///{tmp_path / 'etl.db'}", {}, heard, clock=clock) as app:
        yield World(app, clock, heard)
