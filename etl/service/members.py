"""The windows of a stream: those of its plan, or for each member of `for_each` those since its own watermark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from etl.model.member import Member
from etl.model.stream import Stream
from etl.model.window import Window
from etl.runs import Watermark
from etl.service.planning import Plan, member_windows


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPlan:
    """What every member is read for: the plan of the whole, and the watermarks by member."""

    stream: Stream
    plan: Plan
    marks: Mapping[str, Watermark]
    full: bool
    is_slice: bool
    now: datetime

    def windows(self, member: Member) -> tuple[Window, ...]:
        """The windows of one member; a new one begins where a first run would."""
        if self.is_slice:
            return tuple(window.of(member) for window in self.plan.windows)
        mark = self.marks.get(member.name)
        value = None if mark is None else mark.value
        return member_windows(self.stream, member, value, until=self.plan.until, full=self.full, now=self.now)

    def all_windows(self) -> Iterator[Window]:
        """Those of the whole stream, lazily, where its members stand in the file."""
        if self.stream.for_each is None:
            yield from self.plan.windows
            return
        for member in self.stream.for_each.members():
            yield from self.windows(member)
