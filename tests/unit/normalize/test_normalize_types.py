"""What types values get, what they become, and how types widen."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from etl.errors import ContractBroken
from etl.model.schema import Column, ColumnType, Contract, TableSchema


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([True, None], "boolean"),
        ([1, -(2**63), 2**63 - 1], "bigint"),
        ([2**63], "numeric"),
        ([1, 2.5], "numeric"),
        ([1.5, 2.25], "double"),
        (["a", ""], "text"),
        (["a", 1], "text"),
        ([True, 1], "text"),
        (["2024-01-01T00:00:00Z", "2024-01-01T05:30:00+05:30"], "timestamp"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], "text"),
        (["2024-01-01T00:00:00Z", ""], "text"),
        (["2024-01-01T00:00:00.123456789Z"], "text"),
        (["2024-01-01"], "text"),
        ([{"a": 1}], "json"),
        ([[], None], "json"),
        ([1, [1]], "json"),
        ([None, None], "unknown"),
        ([10**1500], "text"),
    ],
)
def test_a_type_is_inferred_from_all_values_of_the_page(bench, values, type_):
    """The narrowest type that holds every value without loss."""
    decoder = bench.decoder()

    page = bench.feed(decoder, *({"id": n, "x": value} for n, value in enumerate(values)))

    assert bench.types(decoder) == {"id": "bigint", "x": type_}
    assert page.rejects == ()
    assert len(page.block.rows) == len(values)


def test_a_fraction_that_no_double_holds_makes_the_column_numeric(bench):
    """12345678901234567.89 read as a double would lose its cents."""
    decoder = bench.decoder("postgresql")

    page = bench.answer(decoder, b'{"data":[{"id":1,"x":12345678901234567.89},{"id":2,"x":1.50}]}')

    assert [row[1] for row in page.block.rows] == [Decimal("12345678901234567.89"), Decimal("1.5")]


def test_sqlite_gets_exact_numbers_or_text(bench):
    """A numeric becomes a float only when its digits come back."""
    decoder = bench.decoder()

    page = bench.answer(
        decoder,
        b'{"data":[{"id":1,"x":12345678901234567.89},{"id":2,"x":0.1},{"id":3,"x":3.0},{"id":4,"x":1%s}]}'
        % (b"0" * 30 + b"1"),
    )

    assert [row[1] for row in page.block.rows] == ["12345678901234567.89", 0.1, 3, "1" + "0" * 30 + "1"]


@pytest.mark.parametrize(
    ("dialect", "row"),
    [
        ("sqlite", (7, 1, "2024-01-01 00:00:00.500000", '{"b":[1,null]}')),
        ("postgresql", (7, True, datetime(2024, 1, 1, 0, 0, 0, 500000, tzinfo=UTC), '{"b":[1,null]}')),
    ],
)
def test_values_are_ready_for_the_driver(bench, dialect, row):
    """Both routes give the same row, and the second page takes the compiled one."""
    decoder = bench.decoder(dialect)
    item = {"id": 7, "ok": True, "at": "2024-01-01T05:30:00.5+05:30", "a": {"b": [1, None]}}

    first, second = bench.feed(decoder, item), bench.feed(decoder, item)

    assert first.block.rows == [row]
    assert second.block == first.block


def test_a_new_field_becomes_a_column_at_the_end(bench):
    """The version grows, and pages decoded before are decoded again."""
    decoder = bench.decoder()
    old = bench.feed(decoder, {"id": 1})

    page = bench.feed(decoder, {"fresh": "x", "id": 2})

    assert bench.types(decoder) == {"id": "bigint", "fresh": "text"}
    assert (old.block.version, page.block.version) == (1, 2)
    assert decoder.again(old).block.rows == [(1, None)]
    assert decoder.again(page) is page
    assert [(c.column, c.old, c.new, c.sample) for c in decoder.changes_since(1)] == [
        ("fresh", None, ColumnType.TEXT, '"x"')
    ]


def test_a_new_null_column_does_not_change_hashes(bench):
    """Unchanged rows must not be written again because the table grew."""
    decoder = bench.decoder()
    old = bench.feed(decoder, {"id": 1, "a": "x"})

    bench.feed(decoder, {"id": 2, "a": "x", "b": 5})

    assert decoder.again(old).block.hashes == old.block.hashes


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_widening_to_numeric_keeps_hashes(bench, dialect):
    """5 is 5 in either type."""
    decoder = bench.decoder(dialect)
    old = bench.feed(decoder, {"id": 1, "n": 5})

    bench.feed(decoder, {"id": 2, "n": 2**70})

    assert bench.types(decoder)["n"] == "numeric"
    assert decoder.again(old).block.hashes == old.block.hashes


def test_equal_instants_in_other_spellings_have_equal_hashes(bench):
    """A server that changes its zone does not change its rows."""
    decoder = bench.decoder()

    page = bench.feed(decoder, {"id": 1, "at": "2024-01-01T00:00:00Z"}, {"id": 1, "at": "2024-01-01T05:30:00+05:30"})

    assert page.block.hashes[0] == page.block.hashes[1]


@pytest.mark.parametrize(
    ("first", "then", "type_", "stored"),
    [
        (1, 2**63, "numeric", "9223372036854775808"),
        (1, 10**19, "numeric", "10000000000000000000"),
        (1, 9223372036854776000, "numeric", "9223372036854776000"),
        (1, 2.5, "numeric", 2.5),
        (1.5, 2, "double", 2.0),
        (1.5, 2**53 + 1, "numeric", 2**53 + 1),
        (1, "x", "text", "x"),
        ("x", 12, "text", "12"),
        ("x", True, "text", "true"),
        ("x", [1], "json", "[1]"),
        ("2024-01-01T00:00:00Z", "soon", "text", "soon"),
        (True, "x", "text", "x"),
        (None, 2.5, "double", 2.5),
        ([1], "x", "json", '"x"'),
        (1, 3.0, "bigint", 3),
    ],
)
def test_an_inferred_type_widens_and_never_rejects(bench, first, then, type_, stored):
    """Afterwards the compiled route reads the value the same way."""
    decoder = bench.decoder()
    bench.feed(decoder, {"id": 1, "x": first})

    page = bench.feed(decoder, {"id": 2, "x": then})

    assert bench.types(decoder)["x"] == type_
    assert page.rejects == ()
    assert page.block.rows[0][1] == stored
    assert bench.feed(decoder, {"id": 2, "x": then}).block == page.block


def test_a_number_that_no_double_holds_becomes_numeric(bench):
    """1e400 read as a double would be infinite."""
    decoder = bench.decoder("postgresql")
    bench.feed(decoder, {"id": 1, "x": 1.5})

    page = bench.answer(decoder, b'{"data":[{"id":2,"x":1e400}]}')

    assert page.block.rows[0][1] == Decimal("1e400")


def test_keys_of_several_spellings_stay_one_key(bench):
    """1, "1" and 1.0 are one row; "01" is another key, and makes the column text."""
    decoder = bench.decoder()
    bench.feed(decoder, {"id": 1})

    same = bench.feed(decoder, {"id": "1"}, {"id": 1.0})
    other = bench.feed(decoder, {"id": "01"}, {"id": 1}, {"id": 1.0})

    assert same.block.keys == [(1,), (1,)]
    assert other.block.keys == [("01",), ("1",), ("1",)]
    assert bench.types(decoder) == {"id": "text"}


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        ("bigint", "12", 12),
        ("bigint", "12.0", 12),
        ("double", "1e3", 1000.0),
        ("numeric", "12.50", Decimal("12.5")),
        ("boolean", 0, False),
        ("boolean", "true", True),
        ("text", 12, "12"),
        ("timestamp", "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", "2024-01-01 12:00:00", datetime(2024, 1, 1, 12, tzinfo=UTC)),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("json", '{"a": 1}', '{"a":1}'),
        ("json", "plain", '"plain"'),
        ("json", 5, "5"),
        ("bigint", None, None),
    ],
)
def test_declared_types_accept_other_spellings(bench, type_, value, stored):
    """On the first page, and on later ones."""
    decoder = bench.decoder("postgresql", columns={"x": type_})

    pages = [bench.feed(decoder, {"id": 1, "x": value}) for _ in range(3)]

    assert [page.block.rows for page in pages] == [[(1, stored)]] * 3
    assert decoder.schema.version == 1


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("bigint", "twelve"),
        ("bigint", 1.5),
        ("bigint", 2**63),
        ("bigint", ""),
        ("double", "nan"),
        ("boolean", 2),
        ("timestamp", "soon"),
        ("timestamp", 1700000000),
        ("date", "2024-02-30"),
        ("text", {"a": 1}),
    ],
)
def test_declared_types_reject_what_does_not_fit(bench, type_, value):
    """The other items of the page become rows."""
    decoder = bench.decoder(columns={"x": type_})
    bench.feed(decoder, {"id": 1, "x": None})

    page = bench.feed(decoder, {"id": 1, "x": None}, {"id": 2, "x": value}, {"id": 3, "x": None})

    assert page.block.keys == [(1,), (3,)]
    (reject,) = page.rejects
    assert (reject.index, reject.path, reject.key) == (1, "$.x", "2")
    assert reject.reason.startswith("expected ")
    assert bench.types(decoder)["x"] == type_


def test_a_declared_cursor_reads_unix_seconds(bench):
    """A timestamp that is the cursor is read in the cursor's format."""
    decoder = bench.decoder(columns={"at": "timestamp"}, cursor=("at", "unix"))

    page = bench.feed(decoder, {"id": 1, "at": 1704067200})

    assert page.block.rows == [(1, "2024-01-01 00:00:00.000000")]
    assert page.block.cursors == [1704067200000000]


def test_a_frozen_contract_names_the_field_and_the_line(bench):
    """The first page of a new table makes the contract."""
    decoder = bench.decoder(contract=Contract.FREEZE)
    bench.feed(decoder, {"id": 1, "n": 1})

    with pytest.raises(ContractBroken, match="colour") as unknown:
        bench.feed(decoder, {"id": 1, "colour": "red"})
    with pytest.raises(ContractBroken, match="n does not fit"):
        bench.feed(decoder, {"id": 1, "n": "x"})

    assert "columns: {colour: text}" in unknown.value.hint


def test_an_ignoring_contract_skips_unknown_fields(bench):
    """The table stays as the first page made it."""
    decoder = bench.decoder(contract=Contract.IGNORE)
    bench.feed(decoder, {"id": 1, "n": 1})

    page = bench.feed(decoder, {"id": 2, "n": 2, "colour": "red"})

    assert page.block.rows == [(2, 2)]
    assert decoder.schema.version == 1


def test_a_stored_schema_takes_the_declarations_of_today(bench):
    """A declared type that differs from the stored one is a change, made before the first page."""
    stored = TableSchema(
        version=4,
        columns=(
            Column(name="id", type=ColumnType.BIGINT, path=("id",)),
            Column(name="price", type=ColumnType.TEXT, path=("price",)),
        ),
        key=("id",),
    )

    decoder = bench.decoder(schema=stored, columns={"price": "numeric", "added": "date"})

    assert decoder.schema.version == 5
    assert bench.types(decoder) == {"id": "bigint", "price": "numeric", "added": "date"}
    assert [(c.column, c.old) for c in decoder.changes_since(4)] == [("price", ColumnType.TEXT), ("added", None)]
    assert bench.feed(decoder, {"id": 1, "price": "1.5"}).block.rows == [(1, 1.5, None)]
