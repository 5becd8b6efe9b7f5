"""A server that puts on the wire whatever a test says, and a client in front of it."""

import asyncio
import itertools
import json
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from etl.errors import MalformedPage
from etl.extract import open_source
from etl.model.page import Page, PageFacts, PageRequest, RowBlock
from etl.model.secret import Redactor
from etl.model.selector import Selector, SelectorKind
from etl.model.source import Limits, Source
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict
    body: bytes
    connection: int

    @property
    def raw(self):
        return f"{self.method} {self.target} {self.headers} {self.body!r}"


@dataclass
class Reply:
    """Bytes to send, `gap_s` seconds apart; then the connection is kept, closed or held open in silence."""

    chunks: list = field(default_factory=list)
    gap_s: float = 0.0
    then: str = "keep"


def reply(body=b"[]", status=200, *, length=True, then="keep", **headers):
    """A whole answer; `length=False` leaves out Content-Length and ends with the connection."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Status"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    else:
        lines.append("Connection: close")
        then = "close"
    return Reply([("\r\n".join(lines) + "\r\n\r\n").encode() + body], then=then)


class RawServer:
    """Answers from `script`, in turn; the last entry is repeated. A function gets the request."""

    def __init__(self):
        self.script = [reply()]
        self.seen = []
        self.connections = 0
        self.url = ""

    def plays(self, *script):
        self.script = list(script)

    async def handle(self, reader, writer):
        self.connections += 1
        connection = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                method, target, _ = first.split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                seen = Seen(method, target, headers, body, connection)
                self.seen.append(seen)
                answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                answer = answer(seen) if callable(answer) else answer
                for chunk in answer.chunks:
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(answer.gap_s)
                if answer.then == "silence":
                    await reader.read()
                if answer.then == "reset":
                    writer.transport.abort()
                if answer.then != "keep":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def stack():
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def serving(stack):
    """Start one more server."""

    async def start():
        made = RawServer()
        listening = await asyncio.start_server(made.handle, "127.0.0.1", 0)
        stack.callback(listening.close)
        made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        return made

    return start


@pytest.fixture
async def server(serving):
    return await serving()


class JsonDecoder:
    """A list of items, or an object with `data` and `next`; enough to see what the client does with it."""

    def __init__(self):
        self.calls = 0

    def decode(self, request, response):
        self.calls += 1
        items, envelope = [], {}
        if response.status < 400:
            try:
                found = json.loads(response.body)
            except ValueError:
                raise MalformedPage("the answer is not JSON", reason="not-json") from None
            items, envelope = (found, {}) if isinstance(found, list) else (found["data"], found)
        link = envelope.get("next") or response.links.get("next")
        return Page(
            request=request,
            response=response,
            facts=PageFacts(count=len(items), next_link=link),
            block=RowBlock(version=1, rows=[(item,) for item in items], keys=[], hashes=[], cursors=[]),
        )

    def again(self, page):
        return page


class Bench:
    """Opens clients and fetches pages through them."""

    def __init__(self, stack, clock):
        self._stack = stack
        self.clock = clock
        self.events = []
        self.numbers = itertools.count(1)
        self.decoder = JsonDecoder()
        self.source = None

    async def client(self, base_url, *, secrets=(), concurrency=None, timeout_s=5.0, retries=5, body=1_000_000, **more):
        limits = Limits(timeout=timedelta(seconds=timeout_s), retries=retries, body=body, rate=more.pop("rate", None))
        self.source = await self._stack.enter_async_context(
            open_source(
                Source(name="api", base_url=base_url, limits=limits, **more),
                clock=self.clock,
                listener=self.events.append,
                redactor=Redactor(secrets),
                concurrency=concurrency,
                rng=random.Random(1),
            )
        )
        return self.source

    def stream(self, path="/things", *, kind=PagesKind.NONE, params=(), method="GET", body=None, total_rows=None):
        stream = Stream(
            source="api",
            name="things",
            table="api_things",
            request=RequestTemplate(
                method=method,
                path=Template.parse(path),
                params=tuple((name, Template.parse(text)) for name, text in params),
                json=body,
            ),
            records=Records(path=Selector(SelectorKind.BODY, "data")),
            pages=Paging(kind=kind, total_rows=total_rows),
            key=(("id",),),
        )
        return self.source.stream(stream, self.decoder, lambda: next(self.numbers))

    async def fetch(self, base_url, request=None, *, path="/things", kind=PagesKind.NONE, params=(), **more):
        await self.client(base_url, **more)
        return await self.stream(path, kind=kind, params=params).fetch(request or first())

    def request(self, url, method="GET"):
        """A bare request for the transport below the client."""
        return httpx.Request(method, url, extensions={"target": b"/things"})

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def first(**more):
    return PageRequest(window=Window(), position="first", **more)


@pytest.fixture
def bench(stack, clock):
    return Bench(stack, clock)


@pytest.fixture
def wire():
    """The words a test speaks in."""

    class Wire:
        pass

    Wire.reply, Wire.Reply, Wire.first = staticmethod(reply), Reply, staticmethod(first)
    return Wire
