"""What reading a stream brought, folded: windows end by the thousand, and none of them is kept.

A member keeps a few numbers, and only where the stream has a cursor: its watermark needs them. The rest is sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from etl.errors import StreamStopped
from etl.model.instants import Cursor
from etl.model.page import Response
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.pipeline.tally import FAILED, GONE, MemberTally

Span = tuple[Cursor | None, Cursor | None, Verdict]
"""`[start, end)` as it was asked for, and what can be claimed of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReading:
    """The end of one window. At most one of `judgement`, `failure` and `gone` is set; none when the run was stopped.

    `gone`: the API no longer has the member that the window belongs to.
    """

    window: Window
    judgement: Judgement | None = None
    failure: StreamStopped | None = None
    max_cursor: Cursor | None = None
    first_token: str | None = None
    last_token: str | None = None
    """The tokens of a feed: that of the first page, and the one of the highest page that brought any."""
    gone: bool = False
    unchanged: bool = False
    """The API answered 304: nothing came, and nothing is missing."""

    @property
    def is_complete(self) -> bool:
        """Read to its end, with nothing known to be missing."""
        return self.gone or (self.judgement is not None and self.judgement.verdict.strength > 0)

    @property
    def word(self) -> str:
        """How it ended: its verdict, `failed` or `gone`; empty for one that a stop left open."""
        if self.gone:
            return GONE
        if self.failure is not None:
            return FAILED
        return "" if self.judgement is None else self.judgement.verdict.value


@dataclass(slots=True)
class MemberReading:
    """What one member's windows add up to. `gap` is the start of the earliest one that is not complete."""

    max_cursor: Cursor | None = None
    has_gap: bool = False
    gap: Cursor | None = None
    """None with `has_gap`: from the beginning."""
    read: list[Span] = field(default_factory=list)
    failed: bool = False
    first_token: str | None = None
    last_token: str | None = None
    """Of the one window that a member of a feed has."""

    def take(self, ended: WindowReading) -> None:
        """Add the end of one window."""
        self.failed |= ended.failure is not None
        self.first_token, self.last_token = ended.first_token, ended.last_token
        seen = ended.max_cursor
        if seen is not None and (self.max_cursor is None or seen > self.max_cursor):  # type: ignore[operator]
            self.max_cursor = seen
        start, end = ended.window.start, ended.window.end
        if not ended.is_complete:
            earlier = start is None or (self.gap is not None and start < self.gap)  # type: ignore[operator]
            self.gap = start if earlier or not self.has_gap else self.gap
            self.has_gap = True
        elif ended.judgement is not None:
            self._join((start, end, ended.judgement.verdict))

    @property
    def moves(self) -> bool:
        """Whether its watermark may move at all."""
        return not self.has_gap or self.gap is not None

    def _join(self, span: Span) -> None:
        """Windows end nearly in order, so neighbours mostly become one."""
        if self.read and self.read[-1][1] == span[0] is not None and self.read[-1][2] is span[2]:
            span = (self.read.pop()[0], span[1], span[2])
        self.read.append(span)


@dataclass(slots=True, kw_only=True)
class Reading:
    """What reading a stream brought. `by_member` keeps a `MemberReading` each, else there are only sums.

    `judgement` is the weakest of all, `failure` the first; each with the name of its member.
    """

    by_member: bool = True
    members: dict[str, MemberReading] = field(default_factory=dict)
    tally: MemberTally = field(default_factory=MemberTally)
    windows: int = 0
    judged: int = 0
    failed: int = 0
    gone: int = 0
    unchanged: int = 0
    is_whole: bool = True
    """No window had a bound."""
    judgement: Judgement | None = None
    weakest_member: str = ""
    failure: StreamStopped | None = None
    failed_member: str = ""
    first_response: Response | None = None
    total_rows: int | None = None
    future_rows: int = 0
    order_broken: str = ""
    """Where a page contradicted the declared order, in one line; nothing is inferred from such a reading."""
    stopped: bool = False
    partial: bool = False

    def take(self, ended: WindowReading) -> None:
        """Add the end of one window."""
        member = ended.window.member
        self.windows += 1
        self.is_whole &= ended.window.is_whole_list
        self.gone += ended.gone
        self.unchanged += ended.unchanged
        if ended.failure is not None:
            self.failed += 1
            if self.failure is None:
                self.failure, self.failed_member = ended.failure, member
        if ended.judgement is not None:
            self.judged += 1
            if self.judgement is None or _rank(ended.judgement) < _rank(self.judgement):
                self.judgement, self.weakest_member = ended.judgement, member
        if member and ended.word:
            self.tally.take(member, ended.word)
        if self.by_member:
            self.members.setdefault(member, MemberReading()).take(ended)

    def with_open(self, open_windows: list[WindowReading]) -> Reading:
        """The same with windows that a stop left unfinished; they stay out of this one."""
        if not open_windows:
            return self
        whole = replace(self, members={name: replace(one, read=[*one.read]) for name, one in self.members.items()})
        for ended in open_windows:
            whole.take(ended)
        return whole

    @property
    def count(self) -> int:
        """How many members, where they are kept apart; else how many windows."""
        return len(self.members) if self.by_member else self.windows

    @property
    def failed_count(self) -> int:
        """How many of them failed."""
        return sum(member.failed for member in self.members.values()) if self.by_member else self.failed

    @property
    def server_time(self) -> datetime | None:
        """The server's clock at the first answer; see the function of that name."""
        return None if self.first_response is None else server_time(self.first_response)


def _rank(judgement: Judgement) -> tuple[int, bool]:
    """The weakest first; of equals the one that tells what would make it stronger."""
    return judgement.verdict.strength, not judgement.hint


def server_time(first: Response) -> datetime | None:
    """U: the `Date` of the first answer, floored, less its round trip; nothing later was surely visible to it.

    None where the server tells no date.
    """
    if first.served_at is None:
        return None
    return first.served_at.replace(microsecond=0) - timedelta(seconds=first.seconds)
