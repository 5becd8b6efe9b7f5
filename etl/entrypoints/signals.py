"""SIGTERM and Ctrl-C, as a wish (`ports.Stop`): the first one asks to stop, the second one ends the process at once.

Easy to get wrong: `loop.add_signal_handler` waits for the event loop, which may be busy decoding a page. Here the
wish is visible from the next bytecode on, and the second signal is obeyed whatever the loop does. Ending at once is
safe: what is committed is whole, and the next run takes the lease over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Listens while it is entered: `async with Signals() as stop:`, in the main thread.

    `on_first` is called with the signal's number when a stop is asked for; it runs inside the event loop, and is where
    a screen says "stopping, again to abort". Leaving puts the former handlers back; the wish stays readable.
    """

    def __init__(self, on_first: Callable[[int], None] | None = None) -> None:
        self._on_first = on_first
        self._signal: int | None = None
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._former: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    @property
    def requested(self) -> bool:
        """True once nothing new should be asked for."""
        return self._signal is not None

    @property
    def signal(self) -> int | None:
        """The number of the first signal, None when none came."""
        return self._signal

    async def wait(self) -> None:
        """Return when a stop is asked for, at once if it already was."""
        await self._asked.wait()

    async def __aenter__(self) -> Self:
        """Raises ValueError outside the main thread: only there may a process listen to signals."""
        self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            self._former[number] = signal.signal(number, self._receive)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former.clear()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            self._end(number)
        self._signal = number
        if self._loop is not None:
            # The loop may be closing, or asleep in its selector: this is the one call that wakes it from a handler.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ask, number)

    def _ask(self, number: int) -> None:
        self._asked.set()
        if self._on_first is not None:
            self._on_first(number)

    @staticmethod
    def _end(number: int) -> None:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(128 + number)
