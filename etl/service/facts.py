"""What `etl check` found out: facts with a grade, and the exit code that they come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from etl.errors import ConfigError, DatabaseRefused, OperatorError, Problem, SourceFailed

_WORST_FIRST: Final = (OperatorError.exit_code, DatabaseRefused.exit_code, SourceFailed.exit_code)


class Grade(StrEnum):
    """How good a fact is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line: `about` is what was looked at. `online` facts needed a request; `code` is that of an error.

    `closed` is a problem that every other stream of the source would meet as well.
    """

    grade: Grade
    about: str
    text: str
    hint: str = ""
    code: str = ""
    online: bool = False
    closed: bool = False


def exit_code(facts: Iterable[Fact]) -> int:
    """2 for what a person has to change, 6 for a database that refuses, 4 for what only a request showed, else 0."""
    codes = {_code_of(fact) for fact in facts if fact.grade is Grade.PROBLEM}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def _code_of(fact: Fact) -> int:
    if fact.online:
        return SourceFailed.exit_code
    return DatabaseRefused.exit_code if fact.code == DatabaseRefused.code else OperatorError.exit_code


def config_facts(error: ConfigError) -> Iterator[Fact]:
    """A configuration that cannot be used, a line for each mistake."""
    for problem in error.problems:
        yield problem_fact("config", problem)


def problem_fact(about: str, problem: Problem) -> Fact:
    """A mistake in the configuration, with its place."""
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    path = f"{problem.path}: " if problem.path else ""
    return Fact(grade=Grade.PROBLEM, about=about, text=f"{path}{problem.message}, {place}", hint=problem.hint)
