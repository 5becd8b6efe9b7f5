"""An error as people and machines read it: what happened, why, what to do, the state of the data, the code."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final

from etl.entrypoints.cli.fold import fold
from etl.errors import ConfigError, EtlError
from etl.listeners.printable import Printable
from etl.model.secret import Redactor

_SENSITIVE: Final = re.compile(r"TOKEN|SECRET|PASS|KEY|AUTH|CREDENTIAL|DATABASE", re.IGNORECASE)


def anatomy(error: EtlError, printable: Printable, mark: str, width: int | None = None) -> str:
    """The error in lines of at most `width`, without its traceback; a part that is empty is left out."""
    whats = [printable(str(problem), 1000) for problem in error.problems] if isinstance(error, ConfigError) else []
    lines: list[str] = []
    for what in whats or [printable(error.what, 1000)]:
        lines += fold(f"{mark} {what}", width, under=len(mark) + 1)
    parts = (("why", error.why), ("hint", error.hint), ("data", error.data), ("code", coded(error.code)))
    for name, text in parts:
        lines += fold(f"  {name:<5} {printable(text, 1000)}", width, under=8) if text else ()
    return "\n".join(lines)


def coded(code: str) -> str:
    """A code with the command that tells more of it."""
    return f"{code}  (etl explain {code})" if code else ""


def as_fields(error: EtlError, printable: Printable) -> dict[str, Any]:
    """The error as one JSON object; `problems` is empty unless the configuration is wrong."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "what": printable(error.what, 4000),
        "why": printable(error.why, 4000),
        "hint": printable(error.hint, 4000),
        "data": printable(error.data, 4000),
        "code": error.code,
        "exit_code": error.exit_code,
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "path": printable(problem.path),
                "message": printable(problem.message),
                "hint": printable(problem.hint),
            }
            for problem in problems
        ],
    }


def expected(group: BaseExceptionGroup[BaseException]) -> EtlError | None:
    """The first error of a group that holds nothing but errors of ours; None when there is a bug among them."""
    leaves = list(_leaves(group))
    known = [leaf for leaf in leaves if isinstance(leaf, EtlError)]
    return known[0] if known and len(known) == len(leaves) else None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def bug_report(error: BaseException, redactor: Redactor, environ: Mapping[str, str]) -> str:
    """The traceback of a bug, with every secret masked that the configuration or the environment may hold."""
    redactor.add(*(value for name, value in environ.items() if _SENSITIVE.search(name)))
    told = "".join(traceback.format_exception(error))
    return redactor(told) + "internal error: this is a bug in etl; what was committed is whole\n"
