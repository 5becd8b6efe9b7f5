"""Whole lists that miss rows for a reason: nothing is deleted on their word."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.hostile.conftest import Hostile, http

STREAM = """
things:
  path: /things
  params: {{kind: "{kind}"{params}}}
  records: data
  pages: {pages}
  key: id
  deletes: infer
  columns: {{size: bigint}}
  expect: {{max_reject_share: 1}}
  {order}
"""
PROVED = {"pages": "{number: 1, size: 500, total_rows: total}", "params": ', page: "{page}", size: "{size}"'}
CHECKED = {"pages": "none", "params": ""}


@pytest.fixture
def listed(hostile: Hostile) -> Hostile:
    """A hundred rows are stored."""
    configure(hostile)
    show(hostile, range(100))
    assert hostile.sync().code == 0
    return hostile


def configure(hostile: Hostile, how: dict[str, str] = PROVED, *, order: str = "", kind: str = "all") -> None:
    hostile.streams(STREAM.format(order=order, kind=kind, **how))


def show(hostile: Hostile, numbers: object, **odd: object) -> None:
    """What the API lists from now on; `odd` replaces the size of the first row."""
    rows = [{"id": number, "size": number} for number in numbers]  # type: ignore[attr-defined]
    rows[:1] = [{**row, **odd} for row in rows[:1]]

    def answer(target: str) -> bytes:
        listed = [] if "page=2&" in target else rows
        return http(json.dumps({"total": len(rows), "data": listed}).encode())

    hostile.wires.answers["/things"] = answer


def gone(hostile: Hostile) -> list[int]:
    marked = "SELECT id FROM api_things WHERE _etl_deleted_at IS NOT NULL ORDER BY id"
    return [int(number) for (number,) in hostile.project.rows(marked)]


def test_many_rejects_make_a_list_suspicious(listed: Hostile) -> None:
    """One of 98 does not fit, more than 1 %: what else did the reading miss?"""
    show(listed, range(98), size="large")

    done = listed.sync()

    assert done.code == 5
    assert done.json["streams"][0]["status"] == "refused"
    assert "2 rows would be deleted, and 1 of 98 items were rejected" in done.json["streams"][0]["reason"]
    assert gone(listed) == []


def test_a_broken_order_makes_a_list_suspicious(listed: Hostile) -> None:
    """The API says it sorts by id, and does not."""
    configure(listed, order="order: {by: id, immutable: true, unique: true}")
    show(listed, [*range(50, 98), *range(50)])

    done = listed.sync()

    assert done.code == 5
    assert "the declared order does not hold" in done.json["streams"][0]["reason"]
    assert gone(listed) == []


def test_two_readings_with_different_filters_are_not_two_strikes(listed: Hostile) -> None:
    """Each missed the same row, and the second asked for something else."""
    configure(listed, CHECKED)
    show(listed, range(99))
    assert listed.sync().code == 0
    assert gone(listed) == []

    configure(listed, CHECKED, kind="some")
    assert listed.sync().code == 0
    assert gone(listed) == []

    assert listed.sync().code == 0
    assert gone(listed) == [99]
