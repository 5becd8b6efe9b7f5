"""The three standard streams as a process may get them: closed by whoever started it, or with nobody at the end."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any


class _Unfailing(io.FileIO):
    """Talk that nobody can hear any more is lost, and the work goes on."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def prepare_standard_streams() -> None:
    """Give every stream that is closed a place to go, before anything else is opened, and let no talk end the work.

    Supervisors start daemons with closed streams. The next file opened would get the number 1 or 2, and whoever prints
    would write into it, be it the database. stdout stays as strict as it is: what goes there is the result.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the smallest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    unfailing = io.BufferedWriter(_Unfailing(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(unfailing, encoding=encoding, errors="backslashreplace", line_buffering=True)
