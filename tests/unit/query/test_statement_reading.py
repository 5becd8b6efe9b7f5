"""One statement, its end, and its parameters."""

import pytest

from etl.errors import UsageError
from etl.query.readonly import read_parameters
from etl.query.statement import read_statement


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select :a, :b_2, :a", {"a", "b_2"}),
        ("select ':no', \":no\", x::text, '12:30' -- :no", set()),
        ("select /* :no */ :yes", {"yes"}),
        ("select $$ :no $$, $tag$ :no $tag$, E'it\\'s :no', :yes", {"yes"}),
        ("select 'it''s :no', :yes", {"yes"}),
        ("select a[1:2]", set()),
    ],
)
def test_parameters_are_found_outside_texts_and_comments(sql, names):
    statement = read_statement(sql)
    assert statement.names == names
    assert statement.text == sql


def test_psycopg_gets_its_own_marks_and_doubled_percents():
    statement = read_statement("select 5 % 2, :a where x like '%:b' and y = :a::int")
    assert statement.pyformat == "select 5 %% 2, %(a)s where x like '%%:b' and y = %(a)s::int"


def test_a_semicolon_at_the_end_is_no_second_statement():
    assert read_statement("select ';' ; -- done ;\n /* ; */ ;").text == "select ';' "


@pytest.mark.parametrize("sql", ["select 1; drop table t", "select 1;select 2", "select ';';;x", "; select 1"])
def test_a_second_statement_is_refused(sql):
    with pytest.raises(UsageError, match="one statement"):
        read_statement(sql)


@pytest.mark.parametrize("sql", ["", "  ", ";", "-- select 1", "/* select 1 */"])
def test_nothing_to_run_is_refused(sql):
    with pytest.raises(UsageError, match="no statement"):
        read_statement(sql)


def test_values_that_look_like_numbers_are_numbers():
    given = ["a=1", "b=-2.5", "c=007", "d=2026-01-02", "e=", 'f="42"', "g=true", "h=NULL", "i=x=y", "j=1e5", "k=1.0e3"]
    assert read_parameters(given) == {
        "a": 1, "b": -2.5, "c": "007", "d": "2026-01-02", "e": "", "f": "42", "g": True, "h": None, "i": "x=y",
        "j": "1e5", "k": 1000.0,
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["a", "=1", "1a=2", "a b=1"])
def test_a_parameter_without_name_or_value_is_refused(pair):
    with pytest.raises(UsageError, match="no parameter"):
        read_parameters([pair])
