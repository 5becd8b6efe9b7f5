"""A window: the part of a stream that one chain of pages reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.model.instants import Cursor

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open: `start` is inclusive, `end` exclusive, both canonical cursors; None means unbounded.

    `member` names the member of `for_each` in the ledger and in coverage (`""` without one); `variables` are the
    values its placeholders take.
    """

    member: str = ""
    start: Cursor | None = None
    end: Cursor | None = None
    variables: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)

    @property
    def is_whole_list(self) -> bool:
        """True when no bound restricts what is asked for."""
        return self.start is None and self.end is None

    def covers(self, cursor: Cursor | None) -> bool:
        """Whether a row with this cursor belongs to the window; a row without one belongs to every window."""
        if cursor is None:
            return True
        if self.start is not None and cursor < self.start:  # type: ignore[operator]
            return False
        return self.end is None or cursor < self.end  # type: ignore[operator]
