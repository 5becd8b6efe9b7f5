"""What the experiments found out, on its way into a file: each line with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.probe.access import Credentials
from etl.probe.paths import Path
from etl.probe.question import Question
from etl.probe.rows import Place
from etl.probe.times import TimeField
from etl.probe.totals import Totals
from etl.probe.ways import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One line of the screen: what was looked at, what was seen, and what follows. `sure` is False for a guess."""

    about: str
    text: str
    note: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A parameter that was proved to restrict the list to what changed since. None in `param` where none was."""

    field: TimeField
    param: str
    inclusive: bool


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is known so far. `checks` are the questions that stayed open, by the key of the file they belong to."""

    source: str
    stream: str
    question: Question
    credentials: Credentials
    place: Place
    way: Way
    size_param: str = ""
    size: int | None = None
    totals: Totals = field(default_factory=Totals)
    key: tuple[Path, ...] = ()
    order: tuple[Path, str] | None = None
    filter: Filter | None = None
    created_filter: Filter | None = None
    sort: tuple[str, str] | None = None
    rate: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    doubts: set[str] = field(default_factory=set)
    """Those of the checks that a person settles with yes."""
    nested: tuple[str, ...] = ()
    """Members of the rows that hold lists of objects: rows of their own, perhaps."""
    evidence: list[Evidence] = field(default_factory=list)
