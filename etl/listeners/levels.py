"""How much a log says: the level of each event, and the least level that is written."""

from __future__ import annotations

from enum import IntEnum

from etl.model.events import (
    BatchCommitted,
    Event,
    PageFetched,
    QuotaSeen,
    RequestRetried,
    RunFinished,
    SourcePaused,
    StreamFinished,
    StreamPlanned,
    Warned,
)


class Level(IntEnum):
    """From every page up to errors only; the names in lower case stand in the log lines."""

    TRACE = 5
    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @classmethod
    def chosen(cls, *, quiet: bool, verbosity: int) -> Level:
        """The least level to write: `-q` errors, default info, `-v` debug, `-vv` every page."""
        if quiet:
            return cls.ERROR
        return {0: cls.INFO, 1: cls.DEBUG}.get(verbosity, cls.TRACE)

    @property
    def label(self) -> str:
        """The word in the log line; tools know no level below debug."""
        return "debug" if self is Level.TRACE else self.name.lower()


def level_of(event: Event) -> Level:
    """An end that is not exit 0 is an error, even under `-q`."""
    if isinstance(event, (StreamFinished, RunFinished)):
        return Level.ERROR if event.result.exit_code else Level.INFO
    if isinstance(event, (RequestRetried, SourcePaused, Warned)):
        return Level.WARNING
    if isinstance(event, PageFetched):
        return Level.TRACE
    if isinstance(event, (BatchCommitted, StreamPlanned, QuotaSeen)):
        return Level.DEBUG
    return Level.INFO
