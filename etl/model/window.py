"""A window: the part of a stream that one chain of pages reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from etl.model.instants import Cursor
from etl.model.member import Member

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open: `start` is inclusive, `end` exclusive, both canonical cursors; None means unbounded.

    `member` names the member of `for_each` in the ledger and in coverage (`""` without one); `variables` are the
    values its placeholders take. `may_be_gone` is the member's: "not found" then says that the API has deleted it.
    """

    member: str = ""
    start: Cursor | None = None
    end: Cursor | None = None
    variables: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)
    may_be_gone: bool = field(default=False, compare=False)

    def of(self, member: Member) -> Window:
        """The same bounds for one member."""
        return replace(self, member=member.name, variables=member.variables, may_be_gone=member.may_be_gone)

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
