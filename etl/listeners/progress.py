"""The progress of a run on a terminal: one region that is redrawn, permanent lines above it, nothing else.

Rich's own thread redraws it, so that countdowns go on while the event loop waits; events only change numbers. What is
easy to get wrong: anything printed past the console tears the region, and an exception in the drawing thread would
end the drawing for good.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from etl.listeners.figures import marks_for
from etl.listeners.frame import Frame, Line
from etl.listeners.printable import Printable
from etl.listeners.tally import Tally
from etl.model.events import Event, RunFinished, RunStarted, SchemaChanged, StreamFinished, Warned
from etl.ports import Clock

PER_SECOND: Final = 8


class ProgressScreen:
    """Draws from RunStarted to RunFinished; implements `ports.Listener`. Every text passes `redact`.

    `close` ends the drawing whatever happened, and may be called twice.
    """

    def __init__(self, console: Console, *, clock: Clock, redact: Callable[[str], str] = str) -> None:
        self._console = console
        self._clock = clock
        self._printable = Printable(redact)
        self._tally = Tally()
        self._marks = marks_for(console.file)  # type: ignore[arg-type]  # IO[str] with an encoding
        self._frame = Frame(self._tally, self._marks, self._printable)
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Never raises: a screen that cannot draw must not stop the run it shows."""
        with suppress(Exception):
            self._tally.see(event, self._clock.monotonic())
            if isinstance(event, RunStarted):
                self._begin(event)
            elif isinstance(event, RunFinished):
                self.close()
            else:
                self._tell(event)

    def stopping(self) -> None:
        """A stop was asked for: say so."""
        self._frame.stopping = True

    def close(self) -> None:
        """Take the region away; the lines above it stay."""
        live, self._live = self._live, None
        if live is not None:
            with suppress(Exception):
                live.stop()

    def _begin(self, event: RunStarted) -> None:
        self.close()
        sources = ", ".join(dict.fromkeys(stream.partition(".")[0] for stream in event.streams))
        told = f"{self._printable(sources, 60)} {self._marks.arrow} {self._printable(event.database, 60)}"
        self._print(((told, "bold"), (f"   run {event.run_id}", "dim")))
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _tell(self, event: Event) -> None:
        """What is worth a line that stays."""
        if isinstance(event, Warned):
            where = f"{event.stream}: " if event.stream else ""
            self._print(((f"! {self._printable(where + event.message)}", "yellow"),))
        elif isinstance(event, SchemaChanged):
            names = ", ".join(f"{change.column} {change.new}" for change in event.changes)
            self._print(((f"  {self._printable(f'{event.stream}: schema: {names}')}", "dim"),))
        elif isinstance(event, StreamFinished) and event.result.exit_code:
            result = event.result
            told = self._printable(f"{result.stream} {result.status}: {result.reason}")
            self._print(((f"{self._marks.bad} {told}", "red"),))

    def _print(self, line: Line) -> None:
        self._console.print(_text(line), soft_wrap=True)

    def _draw(self) -> Text:
        try:
            lines = self._frame.lines(self._clock.monotonic(), self._console.width)
        except Exception:  # noqa: BLE001 - a frame that fails is left out, the next one comes in a moment
            return Text("")
        shown = lines[: max(self._console.height - 1, 1)]
        # Cropped, not ended by an ellipsis: an ASCII terminal writes that as six characters, and the region tears.
        return Text("\n", no_wrap=True, overflow="crop").join(map(_text, shown))


def _text(line: Line) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    for words, style in line:
        text.append(words, style=style or None)
    return text
