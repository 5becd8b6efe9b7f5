"""The rows of a stream as members of another one, over both databases: columns of every kind, and rows that live."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from etl.db.database import open_database
from etl.db.evolution import apply_schema
from etl.errors import DataRefused
from etl.model.member import FromRows
from etl.model.schema import Column, ColumnType, TableSchema
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Deletes, DeletesKind, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.runs import ParentRows

STREAM = Stream(
    source="shop",
    name="repos",
    table="shop_repos",
    request=RequestTemplate(path=Template.parse("/repos")),
    records=Records(path=Selector(SelectorKind.BODY, "")),
    pages=Paging(kind=PagesKind.NONE),
    key=(("id",),),
    deletes=Deletes(kind=DeletesKind.INFER),
)
TYPES = {
    "id": ColumnType.BIGINT,
    "name": ColumnType.TEXT,
    "fork": ColumnType.BOOLEAN,
    "score": ColumnType.DOUBLE,
    "born": ColumnType.TIMESTAMP,
    "owner": ColumnType.JSON,
}
SCHEMA = TableSchema(
    version=1,
    columns=(
        *(Column(name=name, type=kind, path=(name,)) for name, kind in TYPES.items()),
        Column(name="license__key", type=ColumnType.TEXT, path=("license", "key")),
    ),
    key=("id",),
)
NOON = datetime(2024, 2, 3, 12, tzinfo=UTC)
ROWS = [
    (1, "a b", True, 2.5, {"login": "zoe", "id": 7}, "mit", "run-1", False),
    (2, "ä/c", False, 0.5, {"login": "ann", "id": 8}, "mit", "run-2", False),
    (3, "gone", False, 1.5, {"login": "bob", "id": 9}, "bsd", "run-1", True),
    (4, None, False, 1.5, {"login": None}, "isc", "run-1", False),
    (2**62, "a b", True, 2.5, {"login": "zoe", "id": 7}, None, "run-1", False),
]


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as opened:
        await opened.migrate()
        await apply_schema(opened, STREAM, SCHEMA, (), ordinal=None, now=clock.now())
        is_pg = opened.dialect == "postgresql"
        at = NOON if is_pg else "2024-02-03 12:00:00.000000"
        marks = ", ".join(["%s" if is_pg else "?"] * 9)
        async with opened.write() as connection:
            for number, name, fork, score, owner, license_key, run_id, deleted in ROWS:
                await connection.exec_driver_sql(
                    "INSERT INTO shop_repos (id, name, fork, score, born, owner, license__key, _etl_run_id, "
                    f"_etl_deleted_at) VALUES ({marks})",
                    (number, name, fork, score, at, json.dumps(owner), license_key, run_id, at if deleted else None),
                )
        yield opened


async def values(database, *paths: str, run_id: str | None = None, most: int = 1_000) -> list[tuple[object, ...]]:
    columns = tuple((f"v{n}", tuple(path.split("."))) for n, path in enumerate(paths))
    rows = ParentRows(database, FromRows(stream="shop.repos", columns=columns), "shop_repos")
    found, after = [], None
    while (part := await rows.part(after, run_id=run_id, most=most)) is not None and part.rows:
        assert len(part.rows) <= most
        found += [tuple(row.values()) for row in part.rows]
        after = part.last
    assert run_id is not None or await rows.count() == len(found)
    return found


async def test_distinct_values_of_live_rows_come_in_order(database) -> None:
    """A deleted row and a null make no member, two rows with one value make one."""
    assert await values(database, "name") == [("a b",), ("ä/c",)]
    assert await values(database, "id", most=1) == [(1,), (2,), (4,), (2**62,)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("fork", [False, True]),
        ("score", [0.5, 1.5, 2.5]),
        ("born", ["2024-02-03T12:00:00Z"]),
        ("owner.login", ["ann", "zoe"]),
        ("license.key", ["isc", "mit"]),
        ("license__key", ["isc", "mit"]),
    ],
)
async def test_values_of_every_kind_go_into_a_request_as_they_came(database, path: str, found: list[object]) -> None:
    """Parts of objects too, by their path or by the name of the flattened column."""
    assert [row[0] for row in await values(database, path, most=1)] == found


async def test_an_object_keeps_its_parts(database) -> None:
    """For `{owner.login}` where the variable is the whole column."""
    assert {"login": "zoe", "id": 7} in [row[0] for row in await values(database, "owner")]


async def test_several_columns_are_those_of_one_row(database) -> None:
    """Pairs that stand in a row, not every combination."""
    assert await values(database, "owner.login", "name", most=1) == [("ann", "ä/c"), ("zoe", "a b")]


async def test_a_later_pass_takes_only_what_one_run_has_written(database) -> None:
    """The news of a parent that is being read."""
    assert await values(database, "name", run_id="run-2") == [("ä/c",)]


async def test_a_column_that_is_not_there_is_named_with_the_nearest(database) -> None:
    """And a table that is not there is no error here: somebody may be about to make it."""
    with pytest.raises(DataRefused, match=r"shop\.repos has no column nmae") as caught:
        await values(database, "nmae")
    assert caught.value.hint == "did you mean name?"

    rows = ParentRows(database, FromRows(stream="shop.x", columns=(("v", ("id",)),)), "shop_x")
    assert (await rows.part(None), await rows.count()) == (None, None)
