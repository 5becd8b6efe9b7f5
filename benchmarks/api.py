"""The API that is read: a numbered list, every page built before the clock starts, so that it is never the bottleneck.

`GET /items?page=N&pageSize=M` answers `{"items": [...], "page", "pageSize", "totalItems", "totalPages"}`, pages from 0.
`GET /control?latency_ms=&total=&size=&capacity=&changed=` changes what is served; `GET /stats` tells counters.
With a `capacity`, more requests at once take longer in proportion, and from half as many again they are refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import parse_qsl, urlsplit

SEED = 20_260_101
FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Ken", "Margaret", "Radia", "Guido")
LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Thompson", "Hamilton", "Perlman")
CITIES = ("Lisbon", "Oslo", "Berlin", "Kyoto", "Toronto", "Nairobi", "Zürich", "Kraków", "Reykjavík")
TAGS = ("new", "sale", "gift", "bulk", "fragile", "eco", "promo", "import", "local", "limited")
WORDS = ("lorem", "ipsum", "dolor", "sit", "amet", "elit", "sed", "do", "eiusmod", "tempor", "ut", "labore")


def items(total: int, *, changed: bool) -> Iterator[str]:
    """`total` items of about 450 bytes: 14 fields, an object in an object, a list, two instants. Always the same.

    `changed`: one in a hundred has another price.
    """
    dice = random.Random(SEED)
    for number in range(1, total + 1):
        first, last = dice.choice(FIRST), dice.choice(LAST)
        created = 1_600_000_000 + dice.getrandbits(27)
        words = " ".join(dice.choices(WORDS, k=8))
        yield json.dumps(
            {
                "id": number,
                "uuid": f"{dice.getrandbits(32):08x}-{dice.getrandbits(16):04x}-4000-8000-{dice.getrandbits(48):012x}",
                "name": f"{first} {last} {number}",
                "email": f"{first.lower()}.{last.lower()}{number}@example.com",
                "price": dice.randrange(1, 100_000) / 100 + (changed and number % 100 == 7),
                "quantity": dice.getrandbits(10),
                "active": bool(dice.getrandbits(1)),
                "created_at": _instant(created),
                "updated_at": _instant(created + dice.getrandbits(22)),
                "address": {
                    "street": f"{dice.randrange(1, 999)} {last} Street",
                    "city": dice.choice(CITIES),
                    "country": dice.choice(("PT", "NO", "DE", "JP", "CA")),
                    "geo": {"lat": round(dice.uniform(-90, 90), 6), "lon": round(dice.uniform(-180, 180), 6)},
                },
                "tags": dice.sample(TAGS, k=1 + number % 4),
                "notes": words if number % 2 else None,
                "status": dice.choice(("open", "paid", "shipped", "void")),
                "score": round(dice.random(), 4),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def _instant(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@dataclass(slots=True)
class Shelf:
    """The answers, ready to be sent, and the counters since the last `control`."""

    total: int = 0
    size: int = 0
    latency_s: float = 0.0
    capacity: int = 0
    answers: list[bytes] = field(default_factory=list)
    versions: dict[bool, list[bytes]] = field(default_factory=dict)
    requests: int = 0
    refused: int = 0
    in_flight: int = 0
    peak: int = 0

    def fill(self, total: int, size: int, *, changed: bool) -> None:
        """Serve the pages of a list; built only where the same ones are not there."""
        if (total, size) != (self.total, self.size):
            self.total, self.size, self.versions = total, size, {}
        if changed not in self.versions:
            self.versions[changed] = self._built(items(total, changed=changed))
        self.answers = self.versions[changed]

    def _built(self, left: Iterator[str]) -> list[bytes]:
        pages = -(-self.total // self.size)
        tail = f'"pageSize":{self.size},"totalItems":{self.total},"totalPages":{pages}'
        return [
            answer(f'{{"items":[{",".join(islice(left, self.size))}],"page":{page},{tail}}}') for page in range(pages)
        ]

    def page(self, number: int) -> bytes:
        """The answer for a page; an empty list beyond the end."""
        if number < len(self.answers):
            return self.answers[number]
        tail = f'"page":{number},"pageSize":{self.size},"totalItems":{self.total},"totalPages":{len(self.answers)}'
        return answer(f'{{"items":[],{tail}}}')

    def stats(self) -> bytes:
        """The counters as an answer."""
        return answer(json.dumps({"requests": self.requests, "peak_in_flight": self.peak, "refused": self.refused}))

    def wait_s(self) -> float:
        """How long the request takes that has just come in: a server that is full does no more in the same time."""
        queued = max(1.0, self.in_flight / self.capacity) if self.capacity else 1.0
        return self.latency_s * queued


def answer(body: str) -> bytes:
    """A whole HTTP answer of status 200."""
    encoded = body.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}\r\n\r\n"
    return head.encode() + encoded


TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client: reads request heads, knows nothing but GET and keep-alive."""

    def __init__(self, shelf: Shelf, loop: asyncio.AbstractEventLoop) -> None:
        self._shelf = shelf
        self._loop = loop
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            self._asked(head.split(b" ", 2)[1].decode())

    def _asked(self, target: str) -> None:
        url = urlsplit(target)
        query, shelf = dict(parse_qsl(url.query)), self._shelf
        if url.path == "/control":
            total, size = int(query.get("total", shelf.total)), int(query.get("size", shelf.size or 100))
            shelf.fill(total, size, changed=query.get("changed", "0") == "1")
            shelf.latency_s = float(query.get("latency_ms", 1000 * shelf.latency_s)) / 1000
            shelf.capacity = int(query.get("capacity", 0 if "total" in query else shelf.capacity))
        if url.path in ("/control", "/reset"):
            shelf.requests = shelf.refused = shelf.peak = shelf.in_flight = 0
        if url.path != "/items":
            self._send(shelf.stats())
            return
        shelf.requests += 1
        page = shelf.page(int(query.get("page", "0")))
        if not shelf.latency_s:
            self._send(page)
            return
        if shelf.capacity and shelf.in_flight >= 1.5 * shelf.capacity:
            shelf.refused += 1
            self._send(TOO_MANY)
            return
        shelf.in_flight += 1
        shelf.peak = max(shelf.peak, shelf.in_flight)
        self._loop.call_later(shelf.wait_s(), self._later, page)

    def _later(self, page: bytes) -> None:
        self._shelf.in_flight -= 1
        self._send(page)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def serve(port: int) -> None:
    """Serve until the process is ended; the first line on stdout is the port."""
    loop, shelf = asyncio.get_running_loop(), Shelf()
    server = await loop.create_server(lambda: Connection(shelf, loop), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().port))
