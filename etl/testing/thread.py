"""The bundled API in a thread of its own, for tests without an event loop and for subprocesses to talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from threading import Thread
from types import TracebackType
from typing import Final, Self, TypedDict, TypeVar, Unpack

from etl.testing.behaviour import Behaviour
from etl.testing.fault_plan import FaultPlan
from etl.testing.faults import Fault
from etl.testing.server import ApiServer, serve
from etl.testing.state import Changed, ShopState

T = TypeVar("T")
_DEADLINE_S: Final = 30.0


class ServeOptions(TypedDict, total=False):
    """What `serve` takes."""

    host: str
    port: int
    seed: int
    items: int
    orders: int
    customers: int
    behaviour: Behaviour | None
    faults: FaultPlan | None
    state: ShopState | None
    now: Callable[[], datetime]


class ServerThread:
    """`with ServerThread(items=50) as api: api.url`. Takes what `serve` takes; the port is a free one by default.

    Entering waits until the port is open and raises what `serve` raises. Whatever touches the server while it runs
    goes through `call`, which hands it to the server's own thread.
    """

    def __init__(self, **options: Unpack[ServeOptions]) -> None:
        self._options: ServeOptions = {"port": 0, **options}
        self._started: Future[tuple[ApiServer, asyncio.AbstractEventLoop]] = Future()
        self._stop = asyncio.Event()
        self._thread = Thread(target=self._work, name="bundled-api", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._api, self._loop = self._started.result(_DEADLINE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_DEADLINE_S)

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return self._api.url

    def call(self, action: Callable[[ApiServer], T]) -> T:
        """Run `action` in the server's thread and wait for what it returns or raises."""

        async def run() -> T:
            return action(self._api)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_DEADLINE_S)

    def advance(self, *, deletes: int = 0) -> dict[str, Changed]:
        """The next round of the shop's clock."""
        return self.call(lambda api: api.state.advance(deletes=deletes))

    def script(self, path: str, faults: list[Fault | None]) -> None:
        """As `ApiServer.script`."""
        self.call(lambda api: api.script(path, faults))

    def count(self, path: str | None = None, *, status: int | None = None) -> int:
        """As `ApiServer.count`."""
        return self.call(lambda api: api.count(path, status=status))

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the edge of the thread: the owner raises it
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        async with serve(**self._options) as api:
            self._started.set_result((api, asyncio.get_running_loop()))
            await self._stop.wait()
