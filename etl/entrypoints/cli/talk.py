"""Which listener shows the events of a run on stderr: a screen, lines of words, or lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from etl.entrypoints.cli.options import LogFormat
from etl.listeners.levels import Level

if TYPE_CHECKING:
    from etl.model.events import Event
    from etl.ports import Clock, Listener


def ignore(_event: Event) -> None:
    """A listener that shows nothing."""


def _nothing() -> None:
    """Logs tell a stop by the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A listener, and what to call when a stop was asked for."""

    listener: Listener
    stopping: Callable[[], None] = _nothing


@contextmanager
def talk(form: LogFormat, err: TextIO, *, clock: Clock, redact: Callable[[str], str], least: Level) -> Iterator[Talk]:
    """The listener for a form; a screen is taken away at the end. Under `-q` a screen would only be in the way."""
    if form is LogFormat.JSON:
        from etl.listeners.json_log import JsonLog

        yield Talk(listener=JsonLog(err, clock=clock, redact=redact, least=least))
    elif form is LogFormat.PLAIN or least is Level.ERROR:
        from etl.listeners.plain_log import PlainLog

        yield Talk(listener=PlainLog(err, clock=clock, redact=redact, least=least))
    else:
        from rich.console import Console

        from etl.listeners.progress import ProgressScreen

        screen = ProgressScreen(Console(file=err), clock=clock, redact=redact)
        try:
            yield Talk(listener=screen, stopping=screen.stopping)
        finally:
            screen.close()
