"""The bundled API on a real socket: what it remembers, how it behaves, and how it is started and stopped.

Honest answers are kept ready as bytes, by the bytes of the request that asked for them, until the shop changes. So
the server is never what a test or a benchmark waits for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from etl.testing.behaviour import Behaviour, Gate
from etl.testing.connection import Connection, parse_head
from etl.testing.exchange import Answer, Call, Exchange
from etl.testing.fault_plan import FaultDesk, FaultPlan
from etl.testing.faults import Fault
from etl.testing.kin import answers, customer_of, positions
from etl.testing.routes import answer
from etl.testing.rows import Row
from etl.testing.shop import orders_between
from etl.testing.state import ShopState

DEFAULT_PORT: Final = 8808
_READY_BYTES: Final = 256 * 1024 * 1024
_READY_COST: Final = 4096
"""Bytes that an answer kept ready takes beyond its body; an estimate, so that tiny ones are bounded too."""
_LOG_LINES: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request that was seen before, with its answer cut where the date goes."""

    call: Call
    answer: Answer
    first_line: bytes
    rest: bytes


class ApiServer:
    """A running bundled API. Use it inside the event loop it was started in; `ServerThread` is for everybody else."""

    def __init__(
        self,
        state: ShopState,
        *,
        behaviour: Behaviour,
        faults: FaultPlan | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state = state
        self.url = ""
        self.requests: deque[Exchange] = deque(maxlen=_LOG_LINES)
        self.peak_in_flight = 0
        self.in_flight = 0
        self.connections_made = 0
        self._desk = FaultDesk(faults)
        self._loop = asyncio.get_running_loop()
        self._gate = Gate(behaviour, self._loop.time)
        self._now = now
        self._date_second = -1
        self._date = b""
        self._open: dict[Connection, Exchange | None] = {}
        self._ready: dict[bytes, Ready] = {}
        self._ready_bytes = 0
        self._ready_version = -1

    @property
    def behaviour(self) -> Behaviour:
        """How the server behaves at the moment."""
        return self._gate.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        """Takes effect with the next request: `api.behaviour = replace(api.behaviour, latency_s=0.05)`."""
        self._gate.behaviour = behaviour
        self._ready_version = -1  # answers are kept packed or not packed

    def script(self, path: str, faults: Iterable[Fault | None]) -> None:
        """The next requests of `path` (without query) meet these faults in turn; None is an honest answer."""
        self._desk.script(path, list(faults))

    def plan_faults(self, plan: FaultPlan | None) -> None:
        """Random faults from the next request on; None ends them."""
        self._desk.plan = plan

    def pending(self, path: str) -> int:
        """How many scripted answers of a path are still to come."""
        return self._desk.pending(path)

    def count(self, path: str | None = None, *, status: int | None = None) -> int:
        """How many requests were made, of one path or of all, with one status or any."""
        return sum(
            (path is None or line.path == path) and (status is None or line.status == status) for line in self.requests
        )

    def forget(self) -> None:
        """Empty the log and the counters."""
        self.requests.clear()
        self.peak_in_flight = self.in_flight

    def truth(self, path: str) -> list[Row]:
        """Exactly the rows a complete reading of the list at `path` holds now, in its order.

        Every path of the server will do; of `/api/orders` the bounds in the query count too. KeyError for no list.
        """
        call = Call(method="GET", target=path, headers={})
        table = call.path.removeprefix("/api/").rstrip("/")
        if answers(call.path):
            return self._truth_of_customer(call)
        if table == "orders":
            wanted = orders_between(self.state, call)
            return self.state.orders.rows(wanted.start, wanted.stop)
        return self.state.truth(table if call.path.startswith("/api/") else "items")

    def _truth_of_customer(self, call: Call) -> list[Row]:
        number, wants_orders = customer_of(call.path)
        if not wants_orders:
            return [self.state.customers.get(number)]
        return [self.state.orders.rows(place, place + 1)[0] for place in positions(self.state, call, number)]

    # What a connection calls.

    def opened(self, connection: Connection) -> None:
        self.connections_made += 1
        self._open[connection] = None

    def closed(self, connection: Connection) -> None:
        if self._open.pop(connection, None) is not None:
            self.in_flight -= 1

    def received(self, connection: Connection, head: bytes, body: bytes) -> None:
        ready = self._answer(head, body)
        line = Exchange(call=ready.call)
        self.requests.append(line)
        admission = self._gate.admit(ready.call, self.in_flight)
        if admission.refusal is not None:
            self._send(connection, self._prepare(ready.call, admission.refusal), line)
            return
        fault = None if self._desk.is_calm else self._desk.next(ready.call.path, ready.call.target)
        if fault is not None and fault.before is not None:
            fault.before(self.state)
            ready = self._answer(head, body)
        self._open[connection] = line
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        delay_s = admission.delay_s + (fault.delay_s if fault is not None else 0.0)
        if delay_s > 0:
            connection.later(delay_s, lambda: self._reply(connection, ready, fault, line))
        else:
            self._reply(connection, ready, fault, line)

    def _reply(self, connection: Connection, ready: Ready, fault: Fault | None, line: Exchange) -> None:
        self.in_flight -= 1
        self._open[connection] = None
        if fault is None:
            self._send(connection, ready, line)
            return
        date = ("Date", self._date_line()[6:-2].decode())
        wire = fault.perform(replace(ready.answer, headers=(date, *ready.answer.headers)))
        line.status, line.fault = wire.status, fault.name
        connection.play(wire)

    def _send(self, connection: Connection, ready: Ready, line: Exchange) -> None:
        line.status = ready.answer.status
        connection.write(ready.first_line + self._date_line() + ready.rest)

    def _answer(self, head: bytes, body: bytes) -> Ready:
        if self._ready_version != self.state.version or self._ready_bytes > _READY_BYTES:
            self._ready.clear()
            self._ready_bytes = 0
            self._ready_version = self.state.version
        name = head + b"\r\n\r\n" + body
        known = self._ready.get(name)
        if known is None:
            method, target, headers = parse_head(head)
            call = Call(method=method, target=target, headers=headers, body=body)
            known = self._prepare(call, answer(self.state, call))
            if self.state.version == self._ready_version:
                self._ready[name] = known
                self._ready_bytes += len(name) + 2 * len(known.rest) + _READY_COST
        return known

    def _prepare(self, call: Call, honest: Answer) -> Ready:
        if self.behaviour.gzip and call.accepts_gzip:
            honest = honest.packed()
        first_line, _, headers = honest.head().partition(b"\r\n")
        body = b"" if call.method == "HEAD" else honest.body
        return Ready(call=call, answer=honest, first_line=first_line + b"\r\n", rest=headers + b"\r\n\r\n" + body)

    def _date_line(self) -> bytes:
        now = self._now()
        second = int(now.timestamp())
        if second != self._date_second:
            self._date_second = second
            self._date = f"Date: {format_datetime(now.astimezone(UTC), usegmt=True)}\r\n".encode()
        return self._date

    def drop_connections(self) -> None:
        """Abort every open connection, as a restart of the server would."""
        for connection in list(self._open):
            connection.abort()


@asynccontextmanager
async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    seed: int = 1,
    items: int = 1000,
    orders: int = 12_400,
    customers: int = 900,
    behaviour: Behaviour | None = None,
    faults: FaultPlan | None = None,
    state: ShopState | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[ApiServer]:
    """Run the bundled API until the block ends; `port=0` takes a free one, and `api.url` says which.

    `state` brings a shop along, else one is made from `seed` and the three sizes. `now` is what the `Date` header
    says. Raises OSError when the port is taken. At the end open connections are dropped, also on cancellation.
    """
    shop = state or ShopState(seed=seed, items=items, orders=orders, customers=customers)
    loop = asyncio.get_running_loop()
    api = ApiServer(shop, behaviour=behaviour or Behaviour(), faults=faults, now=now)
    listener = await loop.create_server(lambda: Connection(api, loop), host, port, backlog=1024)
    where = listener.sockets[0].getsockname()
    api.url = f"http://[{where[0]}]:{where[1]}" if ":" in where[0] else f"http://{where[0]}:{where[1]}"
    try:
        yield api
    finally:
        listener.close()
        api.drop_connections()
        # A few turns of the loop let the aborted transports report, so that no test sees an unclosed socket.
        for _ in range(3):
            await asyncio.sleep(0)
