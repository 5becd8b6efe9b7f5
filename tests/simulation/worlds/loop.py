"""An event loop without a real clock: time jumps to the next timer, and a seed draws which ready callback runs next.

Callbacks belong to lives (processes of the story). Those of a paused life wait, as under SIGSTOP; those of a dead one
never run, as after kill -9.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Self


class Stuck(Exception):
    """Nothing can ever run again, or far too much has: a deadlock or a livelock of the product."""


class Being:
    """What the loop has to know of a life."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.paused_until: float | None = None


@contextmanager
def quietly() -> Iterator[None]:
    """What was killed half-way complains when it is collected; nobody wants to hear that."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        sys.unraisablehook = hook


LIFE: ContextVar[Being | None] = ContextVar("LIFE", default=None)


class _NumberedTask(asyncio.Task[Any]):
    """Sets of tasks are walked by hash: a number makes the order that of creation and not of addresses."""

    _made = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        task = super().__new__(cls)
        _NumberedTask._made += 1
        task.number = _NumberedTask._made
        return task

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """`steps` counts callbacks, `at_step` is called before each. `shuffled` off keeps asyncio's own order."""

    def __init__(self, rng: random.Random, *, shuffled: bool = True, most_steps: int = 3_000_000) -> None:
        super().__init__()
        self.steps = 0
        self.at_step: Callable[[], None] = lambda: None
        self._time = 0.0
        self._rng = rng
        self._shuffled = shuffled
        self._most_steps = most_steps
        self._held: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.unhandled: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))
        self.set_task_factory(self._make)
        _NumberedTask._made = 0

    def _make(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **given: Any) -> asyncio.Task[Any]:
        task = _NumberedTask(coro, loop=loop, **given)
        self.tasks.append(task)
        if len(self.tasks) % 512 == 0:
            self.tasks = [each for each in self.tasks if not each.done()]
        return task

    def time(self) -> float:
        return self._time

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """At once, on this thread."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def release(self) -> None:
        """Let held callbacks of lives run that are not paused any more."""
        held, self._held = self._held, []
        self._ready.extend(held)

    def abandon(self) -> None:
        """Drop what is left; the files were looked at before. Closing what waits makes new tasks, closed as well."""
        for _ in range(10):
            self._ready.clear()
            self._scheduled.clear()
            self._held.clear()
            left, self.tasks = self.tasks, []
            for task in left:
                task._log_destroy_pending = False
                coroutine = None if task.done() else task.get_coro()
                if coroutine is not None:
                    with suppress(BaseException):
                        coroutine.close()

    # what BaseEventLoop asks of a subclass

    def _write_to_self(self) -> None: ...

    def _process_events(self, event_list: object) -> None: ...

    def _run_once(self) -> None:
        handle = self._next()
        self.steps += 1
        if self.steps > self._most_steps:
            raise Stuck(f"{self.steps:,} callbacks by {self._time:,.0f} s")
        self.at_step()
        life = handle._context.get(LIFE)
        if life is not None and life.is_dead:
            return
        handle._run()

    def _next(self) -> asyncio.Handle:
        while True:
            self._wake()
            while self._ready:
                place = self._rng.randrange(len(self._ready)) if self._shuffled else 0
                handle = self._ready[place]
                del self._ready[place]
                if handle._cancelled:
                    continue
                life = handle._context.get(LIFE)
                if life is not None and life.paused_until is not None and not life.is_dead:
                    self._held.append(handle)
                    continue
                return handle
            if not self._scheduled:
                raise Stuck(f"nothing can run any more, at {self._time:,.1f} s")
            self._time = max(self._time, self._scheduled[0]._when)

    def _wake(self) -> None:
        while self._scheduled and (self._scheduled[0]._when <= self._time or self._scheduled[0]._cancelled):
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                self._ready.append(handle)
