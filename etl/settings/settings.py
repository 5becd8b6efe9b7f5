"""The whole configuration, checked: what a command works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import ConfigError, Problem
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.model.stream import Stream
from etl.settings.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sources and streams in the order of their files and lines.

    A source whose variables are not set is there all the same, with `${NAME}` left standing in its texts, so that
    commands which send nothing work without secrets; `require_secrets` comes before anything is sent.
    `written` holds the keys of each stream after defaults, by `source.stream`, variables not filled: fit to be shown.
    """

    project: Project
    sources: Mapping[str, Source]
    streams: tuple[Stream, ...]
    redactor: Redactor
    config: Path
    missing: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """Variables nobody set, by the source or `source.stream` that needs them."""
    written: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variables that were found, with what may be told of each: `40 characters, ghp_…`."""

    def require_secrets(self, streams: Iterable[Stream]) -> None:
        """Raises ConfigError with every variable that these streams or their sources need and nobody set."""
        owners = dict.fromkeys(owner for stream in streams for owner in (stream.source, stream.id))
        problems = dict.fromkeys(problem for owner in owners for problem in self.missing.get(owner, ()))
        if problems:
            raise ConfigError(tuple(problems))
