"""One command at work: its options, its way to talk, and the error edge of the process.

`Session` owns stdout and stderr. The redactor is empty until the configuration is read; listeners ask for it at every
text, so that nothing is printed with an older one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

import typer

from etl.entrypoints.cli.failure import anatomy, as_fields, bug_report, expected
from etl.entrypoints.cli.fold import fold
from etl.entrypoints.cli.options import LogFormat, Shared
from etl.entrypoints.cli.talk import Talk, ignore, talk
from etl.errors import EtlError, UsageError
from etl.listeners.figures import Marks, marks_for
from etl.listeners.levels import Level
from etl.listeners.printable import Printable
from etl.model.clock import SystemClock
from etl.model.instants import iso
from etl.model.secret import Redactor

if TYPE_CHECKING:
    from etl.bootstrap import App
    from etl.ports import Clock, Listener, Stop

T = TypeVar("T")

BROKEN_PIPE: Final = 141
"""128 + SIGPIPE: what a reader that went away makes of any other program."""


class Session:
    """Everything a command needs besides its own options. `err` and `out` are the process's streams."""

    def __init__(self, shared: Shared, environ: Mapping[str, str], *, clock: Clock | None = None) -> None:
        self.shared = shared
        self.environ = environ
        self.config = shared.config_dir(environ)
        self.clock: Clock = clock or SystemClock()
        self.redactor = Redactor()
        self.printable = Printable(self.redact)
        self.out: TextIO = sys.stdout
        self.err: TextIO = sys.stderr
        self.logs = False
        """True for commands that run streams: then errors, too, are lines of the log when the log is JSON."""
        self.on_error: Callable[[str, int], object] | None = _plain_failure
        """What to print on stdout under `--json` when an error ends the command: (reason, exit code) to object."""

    @property
    def marks(self) -> Marks:
        """The signs that stderr can show."""
        return marks_for(self.err)

    @property
    def log_format(self) -> LogFormat:
        """How to talk; raises UsageError for a wrong `ETL_LOG_FORMAT`."""
        return self.shared.format(self.environ, terminal=self.err.isatty())

    def width(self, stream: TextIO) -> int | None:
        """Columns of the terminal that a stream is; None for a file or a pipe, which have no edge."""
        if not stream.isatty():
            return None
        given = self.environ.get("COLUMNS", "")
        if given.isdecimal() and int(given):
            return int(given)
        try:
            return os.get_terminal_size(stream.fileno()).columns or None
        except OSError:
            return None

    def redact(self, text: str) -> str:
        """The text without any secret known so far."""
        return self.redactor(text)

    def say(self, text: str = "", colour: str | None = None, *, under: int | None = None) -> None:
        """A line for people, on stderr; nothing under `-q` or when the log is JSON. `colour` as typer names them.

        With `under` a terminal that is too narrow gets several lines, and all but the first begin at that column.
        """
        if not (self.shared.quiet or (self.logs and self.log_format is LogFormat.JSON)):
            self._print(text, self.err, colour, under)

    def data(self, text: str, colour: str | None = None, *, under: int | None = None) -> None:
        """A line of data, on stdout; `colour` and `under` as for `say`."""
        with self.writing("stdout"):
            self._print(text, self.out, colour, under)

    def _print(self, text: str, out: TextIO, colour: str | None, under: int | None) -> None:
        told = self.redactor(text)
        paint = colour is not None and self.colours(out)
        for line in [told] if under is None else fold(told, self.width(out), under=under):
            print(typer.style(line, fg=colour) if paint else line, file=out, flush=out is self.err)

    def colours(self, out: TextIO) -> bool:
        """Whether an output is coloured: `NO_COLOR`, `FORCE_COLOR`, then what it is."""
        if self.environ.get("NO_COLOR"):
            return False
        return bool(self.environ.get("FORCE_COLOR")) or (out.isatty() and self.environ.get("TERM") != "dumb")

    @contextmanager
    def writing(self, place: str) -> Iterator[None]:
        """Raises UsageError for an output that takes nothing more: the work is done, and its result has no place."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self._drop_output()
            raise UsageError(
                f"the result cannot be written to {place}",
                why=error.strerror or str(error),
                data="what was committed is stored",
            ) from None

    def data_object(self, value: object) -> None:
        """One JSON value, on stdout."""
        self.data(json.dumps(value, indent=2, default=_as_json))

    @asynccontextmanager
    async def app(self, listener: Listener | None = None) -> AsyncIterator[App]:
        """The object graph, with the configuration read and the database open."""
        from etl.bootstrap import open_app

        # What is there now stays. Rows come by the thousand and hold no circles: looking for some after every 700 new
        # objects, as is the default, costs a tenth of the whole time. Once: who runs several commands in one process
        # would keep the garbage of each for ever.
        if not gc.get_freeze_count():
            gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        listener = listener or ignore
        async with open_app(self.config, self.shared.database, self.environ, listener, clock=self.clock) as app:
            self.redactor = app.settings.redactor
            yield app

    def database_url(self) -> str:
        """The database of a command that needs no stream: the configuration is read only where it has to tell."""
        from etl.settings import Project, database_url, load

        given = self.shared.database or self.environ.get("ETL_DATABASE")
        if given and not self.config.is_dir():
            return database_url(given, self.environ, Project(), self.config, self.redactor)
        settings = load(self.config, environ=self.environ)
        self.redactor = settings.redactor
        return database_url(self.shared.database, self.environ, settings.project, self.config, self.redactor)

    def read(self, body: Callable[[App], Awaitable[T]]) -> T:
        """Run a command that only looks: the app is open while `body` runs."""

        async def look() -> T:
            async with self.app() as app:
                return await body(app)

        return asyncio.run(look())

    def work(self, body: Callable[[App, Stop], Awaitable[T]]) -> T:
        """Run a command that works: events are shown, SIGTERM and Ctrl-C are wishes to stop."""
        from etl.entrypoints.signals import Signals

        async def run() -> T:
            with self.talk() as shown:
                async with Signals(lambda _: shown.stopping()) as stop, self.app(shown.listener) as app:
                    return await body(app, stop)

        return asyncio.run(run())

    def talk(self) -> AbstractContextManager[Talk]:
        """What shows the events, as the options ask for it."""
        least = Level.chosen(quiet=self.shared.quiet, verbosity=self.shared.verbose)
        return talk(self.log_format, self.err, clock=self.clock, redact=self.redact, least=least)

    def guarded(self, command: Callable[[], int]) -> int:
        """Run a command and turn whatever ends it into an exit code; the error edge of the process."""
        try:
            code = command()
            with self.writing("stdout"):
                self.out.flush()
        except EtlError as error:
            return self.failed(error)
        except BrokenPipeError:
            return self._reader_gone()
        except KeyboardInterrupt:
            return 130
        except BaseExceptionGroup as group:
            known = expected(group)
            return self.failed(known) if known is not None else self._bug(group)
        except Exception as error:
            if type(error).__module__.startswith("typer"):
                raise
            return self._bug(error)
        return code

    def failed(self, error: EtlError) -> int:
        """Tell an expected error on stderr, and on stdout under `--json`."""
        with suppress(Exception):
            if self.logs and self.log_format is LogFormat.JSON:
                line = {"v": 1, "ts": iso(self.clock.now()), "level": "error", "event": "command.failed"}
                print(json.dumps(line | as_fields(error, self.printable)), file=self.err, flush=True)
            else:
                told = anatomy(error, self.printable, self.marks.bad, self.width(self.err))
                print(told, file=self.err, flush=True)
        self._object_for(str(error), error.exit_code)
        return error.exit_code

    def _bug(self, error: BaseException) -> int:
        with suppress(Exception):
            self.err.write(bug_report(error, self.redactor, self.environ))
            self.err.flush()
        self._object_for(f"internal error: {type(error).__name__}", 1)
        return 1

    def _object_for(self, reason: str, code: int) -> None:
        if self.shared.json and self.on_error is not None:
            with suppress(OSError):
                self.data_object(self.on_error(self.printable(reason, 2000), code))
                self.out.flush()

    def _reader_gone(self) -> int:
        self._drop_output()
        return BROKEN_PIPE

    def _drop_output(self) -> None:
        # What is still in the buffer would raise again when the interpreter flushes it at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.out.fileno())


def _plain_failure(reason: str, exit_code: int) -> object:
    """For commands that have no object of their own to say it in."""
    return {"exit_code": exit_code, "reason": reason}


def _as_json(value: object) -> object:
    return iso(value) if isinstance(value, datetime) else str(value)
