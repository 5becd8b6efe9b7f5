"""Tables are the user's: views stand on them, columns are dropped, and a run says how to go on."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.conftest import Project
from tests.acceptance.hostile.conftest import Hostile, http

STREAM = """
things:
  path: /things
  records: data
  pages: none
  key: id
"""


@pytest.fixture
def filled(hostile: Hostile) -> Hostile:
    """One row is stored: `{"id": 1, "size": 1, "name": "x"}`."""
    answer(hostile, size=1, name="x")
    hostile.streams(STREAM)
    assert hostile.sync().code == 0
    return hostile


def answer(hostile: Hostile, **values: object) -> None:
    hostile.wires.answers["/things"] = http(json.dumps({"data": [{"id": 1, **values}]}).encode())


def test_a_view_on_a_column_that_has_to_widen(filled: Hostile) -> None:
    """PostgreSQL refuses it: exit 6 naming the view, the row as it was; without the view the next run completes."""
    filled.project.write("CREATE VIEW mine AS SELECT id, size FROM api_things")
    answer(filled, size="large", name="x")

    done = filled.sync()

    if not filled.is_lite:
        assert done.code == 6
        assert "view mine" in done.json["streams"][0]["reason"]
        assert "hint  drop the view" in done.err
        assert filled.project.rows("SELECT * FROM mine") == [(1, 1)]
        filled.project.write("DROP VIEW mine")
        done = filled.sync()
    assert done.code == 0
    assert filled.project.rows("SELECT id, size FROM api_things") == [(1, "large")]


def test_a_column_that_was_dropped(filled: Hostile) -> None:
    """Exit 6 naming it, and nothing is written in part; with the column back the next run completes."""
    filled.project.write("ALTER TABLE api_things DROP COLUMN name")
    answer(filled, size=2, name="y")

    for _ in range(2):
        done = filled.sync()

        assert done.code == 6
        assert "has lost a column" in done.json["streams"][0]["reason"]
        assert "name" in done.json["streams"][0]["reason"]
        assert "hint  add it back" in done.err
        assert filled.project.rows("SELECT id, size FROM api_things") == [(1, 1)]

    filled.project.write("ALTER TABLE api_things ADD COLUMN name text")
    assert filled.sync().code == 0
    assert filled.project.rows("SELECT id, size, name FROM api_things") == [(1, 2, "y")]


def test_a_table_that_was_renamed(filled: Hostile) -> None:
    """It is not made anew unless the stream was told to forget it."""
    filled.project.write("ALTER TABLE api_things RENAME TO kept")

    done = filled.sync()

    assert done.code == 6
    assert "the table api_things is gone" in done.json["streams"][0]["reason"]
    assert "etl state reset" in done.err

    reset = filled.project.here("state", "reset", "api.things", "--yes")
    assert reset.code == 0, reset.err
    assert filled.sync().code == 0
    assert filled.project.rows("SELECT id, size, name FROM api_things") == [(1, 1, "x")]
    assert filled.project.rows("SELECT id, size, name FROM kept") == [(1, 1, "x")]


def test_a_table_that_was_dropped_takes_an_interrupted_reading_along(project: Project) -> None:
    """Its pages were committed and are gone with the table; a resumed reading would have passed them over."""
    project.slow(0.2)
    running = project.start("sync", "shop.items", "--concurrency", "1")
    project.until_committed(3)
    running.process.kill()
    running.wait()
    project.slow(0.0)
    project.write("DROP TABLE shop_items")

    assert project.here("sync", "shop.items").code == 6
    assert project.here("state", "reset", "shop.items", "--yes").code == 0
    assert project.here("sync", "shop.items").code == 0

    project.holds_the_truth("items")
