"""The model server: what a request sees at the instant it is evaluated, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

from etl.extract.wire import Broken
from worlds.loop import LIFE
from worlds.model import EPOCH, Collection, Item, micros

BASE = "http://world.test"
FAULTS = ("500", "502", "503", "429", "429 wait", "cut", "cut json", "closed", "refused", "html", "hang", "odd")


@dataclass(kw_only=True)
class Weather:
    """How rough it is: shares of requests. `churn` is the share before which something changes.

    `kinds` are the faults in use; `blind` hides every row, as a lost permission does.
    """

    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    churn: float = 0.0
    most_changes: int = 1
    slow_s: float = 0.3
    short: float = 0.0
    expire: float = 0.0
    blind: bool = False
    fatal: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One answered page: which life asked, when it was evaluated, and the `v` of every key in it.

    `number` counts the requests of the life from 1, as the product does.
    """

    life: str
    number: int
    at: float
    query: Mapping[str, str]
    rows: tuple[tuple[Any, int], ...]


@dataclass(kw_only=True)
class Api:
    """The collection behind HTTP. `sort` is the order of its list, `lies` what it tells too much of it."""

    collection: Collection
    rng: random.Random
    sort: Callable[[Item], Any]
    chain: str = ""
    past_end: str = "empty"
    lies: int = 0
    most: int = 1000
    date_skew_s: float = 0.0
    tells_date: bool = True
    weather: Weather = field(default_factory=Weather)
    shown: list[Shown] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    blind_at: float = -1.0
    """When it last hid its rows."""

    async def answer(self, target: str) -> httpx.Response:
        """One request, on its way there, evaluated, and on its way back."""
        weather, rng = self.weather, self.rng
        life = LIFE.get()
        name = life.name if life is not None else ""
        number = self.requests[name] = self.requests.get(name, 0) + 1
        await asyncio.sleep(rng.uniform(0.001, weather.slow_s))
        self.collection.settle()
        if rng.random() < weather.churn:
            for _ in range(rng.randint(1, weather.most_changes)):
                self.collection.mutate()
        fault = rng.choice(weather.kinds) if rng.random() < weather.faults else ""
        if rng.random() < weather.fatal:
            fault = "405"  # a 404 may mean the end of a list
        headers = self._headers()
        found = await self._fault(fault, headers)
        if found is None:
            status, body = self._page(dict(parse_qsl(target.partition("?")[2])), name, number)
            found = _response(
                status, headers, body if fault != "cut json" else body[: len(body) // 2], cut=fault == "cut"
            )
        await asyncio.sleep(rng.uniform(0.001, weather.slow_s))
        return found

    def view(self, query: Mapping[str, str]) -> list[Item]:
        """The rows that a query lists now, in their order."""
        return sorted((item for item in self.collection.rows.values() if lists(query, item)), key=self.sort)

    def _headers(self) -> dict[str, str]:
        if not self.tells_date:
            return {}
        at = EPOCH + timedelta(seconds=self.collection.now() + self.date_skew_s)
        return {"Date": format_datetime(at, usegmt=True)}

    async def _fault(self, fault: str, headers: dict[str, str]) -> httpx.Response | None:
        match fault:
            case "" | "cut" | "cut json":
                return None
            case "429 wait":
                return _response(429, {**headers, "Retry-After": str(self.rng.randint(0, 20))}, b"slow down")
            case "closed":
                raise httpx.TransportError("closed") from Broken(
                    "disconnected", "the server closed the connection", unseen=True
                )
            case "refused":
                raise httpx.TransportError("refused") from Broken("connect", "the server could not be reached")
            case "html":
                return _response(200, headers, b"<html>log in</html>")
            case "odd":
                return _response(200, headers, b'{"error": "try later"}')
            case "hang":
                await asyncio.sleep(500)
                raise httpx.TransportError("gone") from Broken("disconnected", "the server closed the connection")
        return _response(int(fault), headers, b"no")

    def _page(self, query: dict[str, str], life: str, number: int) -> tuple[int, bytes]:
        rng, weather = self.rng, self.weather
        view = [] if weather.blind else self.view(query)
        self.blind_at = self.collection.now() if weather.blind else self.blind_at
        size = min(int(query.get("limit", len(view) or 1)), self.most)
        start, after = self._start(query, size), query.get("after")
        if self.chain == "opaque" and after is not None:
            if rng.random() < weather.expire:
                return 410, b'{"error": "the cursor expired"}'
            start = int(after[1:]) if after.startswith("o") else 0
        keyed = after is not None and not after.startswith("o")
        if keyed:
            assert after is not None
            view_after = [item for item in view if item["id"] > int(after)]
            start = len(view) - len(view_after)
        if start and start >= len(view):
            if self.past_end == "404" and not self.chain:
                return 404, b'{"error": "no such page"}'
            if self.past_end == "last" and not self.chain:
                start = max(len(view) - 1, 0) // size * size
        if rng.random() < weather.short and size > 1 and self.chain:
            size = rng.randrange(1, size)
        rows = view[start : start + size]
        at_end = start + len(rows) >= len(view)
        token = None if at_end or not rows else (f"o{start + len(rows)}" if self.chain == "opaque" else rows[-1]["id"])
        listed = tuple((item["id"], item["v"]) for item in rows)
        self.shown.append(Shown(life=life, number=number, at=self.collection.now(), query=query, rows=listed))
        link = None if token is None else f"{BASE}/rows?" + urlencode({**query, "after": token})
        body = {"data": rows, "total": max(len(view) + self.lies, 0), "next": token, "more": not at_end, "link": link}
        return 200, json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()

    @staticmethod
    def _start(query: Mapping[str, str], size: int) -> int:
        if "offset" in query:
            return int(query["offset"])
        return (int(query["page"]) - 1) * size if "page" in query else 0


def lists(query: Mapping[str, str], item: Item) -> bool:
    """Whether a query lists an item: `since <= updated_at < until`, and one half of all rows under `scope`."""
    if query.get("scope") == "half" and item["id"] % 4 in (2, 3):
        return False
    if "since" in query or "until" in query:
        stamp = micros(item["updated_at"])
        if stamp is None or stamp < (micros(query.get("since")) or 0):
            return False
        until = micros(query.get("until"))
        return until is None or stamp < until
    return True


def _response(status: int, headers: Mapping[str, str], body: bytes, *, cut: bool = False) -> httpx.Response:
    return httpx.Response(
        HTTPStatus(status), headers={"Content-Type": "application/json", **headers}, stream=_Body(body, cut)
    )


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes, cut: bool) -> None:
        self._body = body
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._cut:
            yield self._body[: len(self._body) // 3]
            raise httpx.TransportError("cut") from Broken("truncated", "the answer was cut off")
        yield self._body

    async def aclose(self) -> None: ...


class Wire(httpx.AsyncBaseTransport):
    """What the client sends through."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._api.answer(request.extensions["target"].decode("ascii"))
