"""Every format writes every kind of value, names its columns in order, and keeps all rows."""

import builtins
import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from etl.errors import OperatorError, UsageError
from etl.query.formats import to_file, to_stdout, write, write_text
from etl.query.result import Result

ODD = (
    None,
    "",
    'say "hi", twice\nor more',
    True,
    3,
    0.1,
    Decimal("123456789012345678.90"),
    datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC),
    date(2026, 1, 2),
    b"\x00\xff",
    {"city": "Köln", "n": Decimal("1.5")},
    float("nan"),
)
NAMES = tuple("abcdefghijkl")


def result(*rows, columns=NAMES):
    return Result(columns=columns, rows=iter(rows))


def written(form, *rows, columns=NAMES, **options):
    out = io.StringIO(newline="")
    count = write_text(result(*rows, columns=columns), form, out, **options)
    return out.getvalue(), count


def test_csv_reads_back_as_it_was():
    text, count = written("csv", ODD)
    assert count == 1
    header, row = list(csv.reader(io.StringIO(text, newline="")))
    assert header == list(NAMES)
    assert row == [
        "", "", 'say "hi", twice\nor more', "true", "3", "0.1", "123456789012345678.90", "2026-01-02T03:04:05.000060Z",
        "2026-01-02", "AP8=", '{"city": "Köln", "n": 1.5}', "nan",
    ]  # fmt: skip


def test_csv_ends_lines_by_crlf_and_tells_null_from_an_empty_text():
    assert written("csv", (None, ""), columns=("a", "b"))[0] == 'a,b\r\n,""\r\n'


def test_csv_repeats_the_names_of_columns_that_are_alike():
    assert written("csv", (1, 2), columns=("id", "id"))[0] == "id,id\r\n1,2\r\n"


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_spreadsheet_gets_no_formula(formula):
    text, _ = written("csv", (formula, -1), columns=("a", "b"), safe=True)
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [f"'{formula}", "-1"]
    assert list(csv.reader(io.StringIO(written("csv", (formula,), columns=("a",))[0], newline="")))[1] == [formula]


def test_json_is_one_array_of_objects():
    text, count = written("json", ODD, ODD)
    first, second = json.loads(text)
    assert (count, first) == (2, second)
    assert list(first) == list(NAMES)
    assert first["a"] is None
    assert (first["d"], first["e"], first["f"]) == (True, 3, 0.1)
    assert first["g"] == "123456789012345678.90"
    assert first["k"] == {"city": "Köln", "n": 1.5}
    assert first["l"] == "nan"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Decimal("19.90"), "19.9"),
        (Decimal("10.00"), "10"),
        (Decimal(2**63 - 1), "9223372036854775807"),
        (Decimal(-(2**63)), "-9223372036854775808"),
        (Decimal(2**63), '"9223372036854775808"'),
        (Decimal("0.12345678901234567890"), '"0.12345678901234567890"'),
        (Decimal("NaN"), '"NaN"'),
    ],
)
def test_json_has_a_decimal_as_sqlite_stores_it(value, told):
    """A number where it keeps all its digits, else text; PostgreSQL's driver knows decimals only."""
    assert written("ndjson", (value,), columns=("n",))[0] == f'{{"n": {told}}}\n'


def test_json_has_an_average_as_a_number_with_all_its_digits():
    """No table stores it, so there is no form it should have."""
    out = io.StringIO()
    rows = iter([(Decimal("3.33333333333333333333"), Decimal(2**64))])
    write_text(Result(columns=("mean", "sum"), rows=rows, computed=frozenset({0, 1})), "ndjson", out)
    assert out.getvalue() == '{"mean": 3.33333333333333333333, "sum": "18446744073709551616"}\n'


def test_json_without_rows_is_an_empty_array():
    assert json.loads(written("json")[0]) == []


def test_ndjson_is_one_object_a_line_and_numbers_names_that_are_alike():
    text, count = written("ndjson", (1, 2, 3), (4, 5, 6), columns=("id", "id", "id_2"))
    assert count == 2
    assert text == '{"id": 1, "id_2": 2, "id_2_2": 3}\n{"id": 4, "id_2": 5, "id_2_2": 6}\n'


def test_a_table_is_aligned_with_numbers_to_the_right():
    text, count = written("table", ("a", 5), ("long", None), ("b", 1234), columns=("name", "total"))
    assert count == 3
    assert text == "name  total\n----  -----\na         5\nlong\nb      1234\n"


def test_a_table_keeps_every_row_beyond_its_block():
    text, count = written("table", *((n,) for n in range(2500)), columns=("n",))
    assert count == 2500
    assert text.splitlines()[-1] == "2499"


def test_a_table_cannot_move_the_cursor_of_a_terminal():
    text, _ = written("table", ("\x1b[2Jx\n",), columns=("a",))
    assert "\x1b" not in text
    assert "\\x1b[2Jx\\n" in text


def test_a_terminal_gets_wide_values_cut():
    text, _ = written("table", ("x" * 100,), columns=("a",), terminal=True)
    assert text.splitlines()[2] == "x" * 59 + "…"
    assert "x" * 100 in written("table", ("x" * 100,), columns=("a",))[0]


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="no format 'xml'"):
        written("xml")


async def test_a_file_appears_only_when_it_is_whole(tmp_path):
    def broken():
        yield (1,)
        raise UsageError("the statement took longer than 1 s")

    path = tmp_path / "rows.csv"
    path.write_text("old")
    with pytest.raises(UsageError):
        await write(Result(columns=("a",), rows=broken()), "csv", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert await write(result((1,), columns=("a",)), "csv", path) == 1
    assert path.read_bytes() == b"a\r\n1\r\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        to_file(result((1,), columns=("a",)), "csv", path=tmp_path / "nowhere" / "rows.csv")


async def test_rows_go_to_stdout_without_a_file(capsys):
    assert await write(result((1,), columns=("a",)), "ndjson") == 1
    assert capsys.readouterr().out == '{"a": 1}\n'


def test_parquet_keeps_types_and_turns_mixtures_into_text(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    columns = ("n", "mixed", "when", "doc", "nothing", "money", "big", "raw")
    when = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [
        (1, "x", when, {"a": 1}, None, Decimal("1.50"), 2**70, b"\xff"),
        (None, 2, None, [1, 2], None, Decimal(10), 1, b""),
    ]
    assert to_file(result(*rows, columns=columns), "parquet", path=path) == 2
    read = pq.read_table(path).to_pydict()
    assert read["n"] == [1, None]
    assert read["mixed"] == ["x", "2"]
    assert read["when"] == [when, None]
    assert read["doc"] == ['{"a": 1}', "[1, 2]"]
    assert read["nothing"] == [None, None]
    assert read["money"] == [Decimal("1.50"), Decimal("10.00")]
    assert read["big"] == [str(2**70), "1"]
    assert read["raw"] == [b"\xff", b""]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OperatorError, match="pyarrow") as error:
        to_file(result((1,), columns=("a",)), "parquet", path=tmp_path / "x.parquet")
    assert error.value.hint == "pip install 'everypage[parquet]'"


def test_parquet_is_not_written_to_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(UsageError, match="terminal"):
        to_stdout(result(columns=("a",)), "parquet")
