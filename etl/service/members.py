"""The windows of a stream: those of its plan, or for each member of `for_each` those since its own watermark.

Members that are rows of another stream are taken from the database part by part, as there is room for them, and while
that stream is read in the same run, after each of its commits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from etl.db.database import Database
from etl.errors import DataRefused
from etl.listeners.arrivals import Arrivals
from etl.listeners.figures import several
from etl.model.member import FromRows, Member
from etl.model.run import StreamResult
from etl.model.stream import Stream
from etl.model.window import Window
from etl.pipeline import GivenWindows
from etl.ports import Windows
from etl.runs import ParentRows, Watermark
from etl.runs.members import Part, Place
from etl.runs.watermark import lowest
from etl.service.app import App
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

    def of(self, member: Member) -> tuple[Window, ...]:
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
            yield from self.of(member)


def mark_of(stream: Stream, marks: Mapping[str, Watermark]) -> Watermark | None:
    """Up to where the stream has been read: the lowest watermark of its members."""
    for_each = stream.for_each
    if for_each is None:
        return marks.get("")
    names = [name for name in marks if name] if for_each.rows else [member.name for member in for_each.members()]
    return lowest(marks, names) if names else None


async def told_members(database: Database | None, streams: Sequence[Stream], stream: Stream) -> str:
    """How many members a stream has, as in `2 repos`: by the variable's name where there is one alone.

    Empty without `for_each`, and where the rows they come from are not there yet.
    """
    for_each = stream.for_each
    if for_each is None:
        return ""
    rows: int | None = 1
    if for_each.rows is not None:
        rows = None if database is None else await _parent_rows(database, streams, for_each.rows).count()
    if rows is None:
        return ""
    count = rows * math.prod(len(one.values) for one in for_each.listed)
    return several(count, for_each.names[0] if len(for_each.names) == 1 else "member")


def windows_of(app: App, plan: MemberPlan, run_id: str) -> Windows:
    """All windows of a reading. `run_id` is the run that may be reading the parent at the same time."""
    for_each = plan.stream.for_each
    if for_each is None or for_each.rows is None:
        return GivenWindows(plan.all_windows())
    rows = parent_rows(app, plan.stream)
    assert rows is not None  # the members are rows
    return ArrivingWindows(plan, rows, app.arrivals, run_id)


def parent_rows(app: App, stream: Stream) -> ParentRows | None:
    """The rows that are a stream's members; None where its members stand in the file, and without any."""
    from_rows = None if stream.for_each is None else stream.for_each.rows
    if from_rows is None:
        return None
    return _parent_rows(app.database, app.settings.streams, from_rows)


def _parent_rows(database: Database, streams: Sequence[Stream], from_rows: FromRows) -> ParentRows:
    parent = next(one for one in streams if one.id == from_rows.stream)
    return ParentRows(database, from_rows, parent.table)


def parent_of(app: App, stream: Stream) -> StreamResult | None:
    """How the stream ended whose rows are the members, where it was read in the same run."""
    from_rows = None if stream.for_each is None else stream.for_each.rows
    return None if from_rows is None else app.arrivals.result(from_rows.stream)


async def members_named(app: App, stream: Stream, names: Collection[str]) -> dict[str, Member]:
    """Those of these members that there are, by name."""
    for_each, rows = stream.for_each, parent_rows(app, stream)
    if for_each is None or set(names) <= {""}:
        return {}
    if rows is None:
        return {member.name: member for member in for_each.members() if member.name in names}
    found: dict[str, Member] = {}
    after: Place | None = None
    while (part := await rows.part(after)) is not None and part.rows and len(found) < len(names):
        made = (member for row in part.rows for member in for_each.members(row))
        found |= {member.name: member for member in made if member.name in names}
        after = part.last
    return found


class ArrivingWindows:
    """Windows of members that are rows of another stream; implements `ports.Windows`.

    The first pass takes all rows there are. While the parent is read in the same run, further passes take what that
    run has written since; each member is given once.
    """

    def __init__(self, plan: MemberPlan, rows: ParentRows, arrivals: Arrivals, run_id: str) -> None:
        assert plan.stream.for_each is not None
        assert plan.stream.for_each.rows is not None
        self._plan = plan
        self._for_each = plan.stream.for_each
        self._parent = plan.stream.for_each.rows.stream
        self._rows = rows
        self._arrivals = arrivals
        self._run_id = run_id
        self._written_by: str | None = None
        self._after: Place | None = None
        self._heard = arrivals.version(self._parent)
        self._given: set[bytes] = set()
        self._windows: Iterator[Window] = iter(())
        self._next: Window | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Every row was taken, and no more can come."""
        return self._ended

    def take(self) -> Window | None:
        """The next window of the rows that were read last."""
        taken = self._next or next(self._windows, None)
        self._next = None
        return taken

    async def more(self) -> None:
        """Read rows until one makes a new member. Raises DataRefused where there is nothing to take members from."""
        while not self._ended:
            self._next = self._next or next(self._windows, None)
            if self._next is not None:
                return
            part = await self._rows.part(self._after, run_id=self._written_by)
            if part is not None and part.rows:
                self._after = part.last
                self._windows = self._of(part)
            elif not await self._wait_for_rows():
                self._refuse_missing(part)
                self._ended = True

    async def _wait_for_rows(self) -> bool:
        """Whether another pass is worth it; waits for the parent's next commit or its end."""
        if self._heard is None:
            return False
        if self._arrivals.version(self._parent) == self._heard:
            if self._arrivals.result(self._parent) is not None:
                return False
            await self._arrivals.after(self._parent, self._heard)
        self._heard = self._arrivals.version(self._parent)
        self._written_by, self._after = self._run_id, None
        return True

    def _of(self, part: Part) -> Iterator[Window]:
        for row in part.rows:
            for member in self._for_each.members(row):
                if self._is_new(member):
                    yield from self._plan.of(member)

    def _is_new(self, member: Member) -> bool:
        """Within one pass members are distinct; only what arrives later can come again."""
        if self._heard is None:
            return True
        digest = hashlib.blake2b(member.name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if digest in self._given:
            return False
        self._given.add(digest)
        return True

    def _refuse_missing(self, part: Part | None) -> None:
        if part is None and self._heard is None:
            raise DataRefused(
                f"{self._plan.stream.id} takes its members from {self._parent}, which has no table yet",
                hint=f"read both: etl sync {self._parent} {self._plan.stream.id}",
            )
