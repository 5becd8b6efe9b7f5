"""Members that are rows of another stream arrive while that stream is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from etl.errors import DataRefused
from etl.listeners.arrivals import Arrivals
from etl.model.events import BatchCommitted, StreamFinished
from etl.model.instants import CursorKind
from etl.model.member import ForEach, FromRows, Listed
from etl.model.run import Counts, RunStatus, StreamResult
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.verdict import Verdict
from etl.runs import Watermark
from etl.runs.members import Part
from etl.service.kin import parents_first
from etl.service.members import ArrivingWindows, MemberPlan, mark_of, told_members
from etl.service.planning import Plan

PARENT = "shop.customers"


def child() -> Stream:
    return Stream(
        source="shop",
        name="orders",
        table="shop_orders",
        request=RequestTemplate(path=Template.parse("/{c}")),
        records=Records(path=Selector(SelectorKind.BODY, "")),
        pages=Paging(kind=PagesKind.NONE),
        for_each=ForEach(rows=FromRows(stream=PARENT, columns=(("c", ("id",)),))),
    )


@dataclass
class FakeRows:
    """A table in memory: who wrote each row. Parts of two rows; None is no table."""

    rows: dict[int, str] | None = field(default_factory=dict)
    asked: list[tuple[Any, str | None]] = field(default_factory=list)

    async def part(self, after: Any, *, run_id: str | None = None, most: int = 2) -> Part | None:
        await asyncio.sleep(0)
        self.asked.append((after, run_id))
        if self.rows is None:
            return None
        wanted = sorted(n for n, by in self.rows.items() if run_id in (None, by) and (after is None or n > after[0]))
        some = wanted[:most]
        return Part(rows=tuple({"c": n} for n in some), last=(some[-1],) if some else None)


def windows_over(rows: FakeRows, arrivals: Arrivals) -> ArrivingWindows:
    plan = MemberPlan(
        stream=child(),
        plan=Plan(windows=()),
        marks={},
        full=False,
        is_slice=False,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return ArrivingWindows(plan, rows, arrivals, "run-2")  # type: ignore[arg-type]


async def rest(windows: ArrivingWindows) -> list[str]:
    """The members that come until there is none at the moment, or ever."""
    found = []
    while not windows.ended:
        while (window := windows.take()) is not None:
            found.append(window.member)
        more = asyncio.create_task(windows.more())
        await asyncio.wait([more], timeout=0.05)
        if not more.done():
            more.cancel()
            break
        more.result()
    return found


def committed(inserted: int = 1, updated: int = 0) -> BatchCommitted:
    return BatchCommitted(stream=PARENT, counts=Counts(inserted=inserted, updated=updated), seconds=0.1)


def finished(status: RunStatus = RunStatus.SUCCEEDED) -> StreamFinished:
    return StreamFinished(
        result=StreamResult(stream=PARENT, status=status, exit_code=0, verdict=Verdict.CONSISTENT, reason="")
    )


async def test_rows_of_a_stream_that_is_not_read_are_taken_once_part_by_part() -> None:
    """The place of the last row is all that is remembered between two parts."""
    rows = FakeRows(dict.fromkeys(range(5), "run-1"))

    found = await rest(windows_over(rows, Arrivals()))

    assert found == ["0", "1", "2", "3", "4"]
    assert rows.asked == [(None, None), ((1,), None), ((3,), None), ((4,), None)]


async def test_members_come_after_each_commit_of_a_parent_that_is_read_in_the_same_run() -> None:
    """Only what that run has written is looked at again, and nothing is given twice."""
    arrivals, rows = Arrivals(), FakeRows({1: "run-1", 2: "run-1"})
    arrivals.expect([PARENT])
    windows = windows_over(rows, arrivals)

    first = await rest(windows)
    rows.rows |= {2: "run-2", 0: "run-2", 3: "run-2"}  # type: ignore[operator]
    arrivals(committed())
    second = await rest(windows)
    arrivals(finished())
    third = await rest(windows)

    assert (first, sorted(second), third) == (["1", "2"], ["0", "3"], [])
    assert windows.ended


def test_a_commit_without_new_rows_is_no_news() -> None:
    """Unchanged parents are all in the first pass; looking at the table again would find nothing."""
    arrivals = Arrivals()
    arrivals.expect([PARENT])

    arrivals(committed(inserted=0))
    unchanged = arrivals.version(PARENT)
    arrivals(committed(inserted=0, updated=1))

    assert (unchanged, arrivals.version(PARENT)) == (0, 1)


async def test_a_parent_that_ended_before_its_child_began_is_not_waited_for() -> None:
    """The rows are there already."""
    arrivals, rows = Arrivals(), FakeRows({1: "run-2"})
    arrivals.expect([PARENT])
    arrivals(finished())
    windows = windows_over(rows, arrivals)

    assert await rest(windows) == ["1"]
    assert windows.ended


async def test_no_table_is_an_error_only_where_nobody_is_about_to_make_it() -> None:
    """A child that is read beside its parent waits for the first commit."""
    arrivals = Arrivals()
    alone = windows_over(FakeRows(None), arrivals)
    with pytest.raises(DataRefused, match=r"which has no table yet"):
        await alone.more()
    arrivals.expect([PARENT])
    rows = FakeRows(None)
    beside = windows_over(rows, arrivals)

    assert await rest(beside) == []
    rows.rows = {4: "run-2"}
    arrivals(committed())
    assert await rest(beside) == ["4"]
    arrivals.forget([PARENT])
    assert arrivals.version(PARENT) is None


def mark(member: str, value: int) -> Watermark:
    return Watermark(
        member=member, kind=CursorKind.NUMBER, value=value, ordinal=1, updated_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_a_stream_is_read_up_to_where_all_its_members_are() -> None:
    """The lowest of those there are, whatever is known of a removed one; a list that is empty holds nobody back."""
    listed = replace(child(), for_each=ForEach(listed=(Listed(name="c", values=(1, 2)),)))

    assert mark_of(listed, {"1": mark("1", 5), "2": mark("2", 7), "9": mark("9", 1)}) == mark("1", 5)
    assert mark_of(listed, {"1": mark("1", 5), "9": mark("9", 1)}) == mark("1", 5)
    assert mark_of(child(), {"1": mark("1", 5), "2": mark("2", 3)}) == mark("2", 3)
    assert mark_of(child(), {}) is None


async def test_members_are_told_by_the_name_of_their_variable() -> None:
    """`2 repos` says more than `2 members`; a product has no such word, and rows nobody has read no number."""
    one = replace(child(), for_each=ForEach(listed=(Listed(name="repo", values=("a", "b")),)))
    two = replace(
        child(), for_each=ForEach(listed=(Listed(name="a", values=(1, 2)), Listed(name="b", values=(1, 2, 3))))
    )

    assert [await told_members(None, (), stream) for stream in (one, two, child())] == ["2 repos", "6 members", ""]


def test_parents_come_before_their_children_and_nothing_else_moves() -> None:
    """A child that waits for its parent must not hold the place which that parent needs."""
    parent = replace(child(), name="customers", for_each=None)
    grandchild = replace(
        child(), name="lines", for_each=ForEach(rows=FromRows(stream="shop.orders", columns=(("o", ("id",)),)))
    )

    assert [one.name for one in parents_first((grandchild, child(), parent))] == ["customers", "orders", "lines"]
    assert [one.name for one in parents_first((grandchild, parent))] == ["lines", "customers"]
