"""Whether a source can be reached at all: known to all its requests, so that a dead server costs the patience of one.

Without it every window of every stream would try as often as `limits.retries` allows, a year of slices for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from etl.errors import TryAgain

_UNREACHABLE: Final = frozenset({"connect", "dns"})


@dataclass(slots=True)
class Outage:
    """Begins when one request has tried in vain as often as it may, ends with the first answer, whatever it says."""

    _is_on: bool = False

    def hopeless(self, error: TryAgain) -> bool:
        """Whether another try would only repeat what another request has found out."""
        return self._is_on and error.reason in _UNREACHABLE

    def gave_up(self, error: TryAgain) -> None:
        """A request has tried for the last time."""
        self._is_on = self._is_on or error.reason in _UNREACHABLE

    def answered(self) -> None:
        """The source can be reached."""
        self._is_on = False
