"""The compiled route, the careful route, and a slow reference agree on every page."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.model.instants import CursorFormat
from etl.model.page import PageRequest, Response
from etl.model.schema import ColumnType
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Incremental, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.normalize import StreamDecoder

STREAM = Stream(
    source="api",
    name="things",
    table="api_things",
    request=RequestTemplate(path=Template.parse("/things")),
    records=Records(path=Selector(SelectorKind.BODY, "data")),
    pages=Paging(kind=PagesKind.NONE),
    key=(("id",),),
    incremental=Incremental(field=("seq",), format=CursorFormat("number")),
)

characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
texts = st.text(characters, max_size=12) | st.sampled_from(["", "0123", "1e5", "true", "null", "{}", "\u2028", "👩‍👧"])
whole = st.integers(-5, 5) | st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**40])
fractions = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, -0.0, 1e300, 5e-324])
instants = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(lambda at: at.replace(tzinfo=UTC).isoformat())
nested = st.recursive(
    st.none() | texts | whole, lambda e: st.lists(e, max_size=3) | st.dictionaries(texts, e, max_size=3)
)
columns = {
    "whole": whole,
    "fraction": fractions,
    "number": whole | fractions,
    "flag": st.booleans(),
    "text": texts,
    "at": instants,
    "mixed": texts | whole | st.booleans() | fractions,
    "anything": nested,
    "we ird": texts,
    "WHOLE": whole,
}
items = st.fixed_dictionaries(
    {"id": st.integers(1, 10**6)},
    optional={"seq": st.none() | st.integers(0, 99)} | {name: st.none() | values for name, values in columns.items()},
)
pages = st.lists(items, min_size=1, max_size=6)


class Literal(str):
    """A number as it stands in the body."""

    __slots__ = ()


def decode(decoder, body):
    response = Response(status=200, headers={}, body=body, url="", started_at=datetime(2026, 1, 1, tzinfo=UTC))
    return decoder.decode(PageRequest(window=Window(), position="1"), response)


def compact(value):
    """JSON text of a value whose numbers are literals."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return json.dumps(value)


def expected(type_, value, dialect):
    """What a column of the type stores, one plain rule a type."""
    lite = dialect == "sqlite"
    if value is None:
        return None
    match type_:
        case ColumnType.BIGINT:
            return int(Decimal(value))
        case ColumnType.DOUBLE:
            return float(value)
        case ColumnType.NUMERIC if not lite:
            return Decimal(value)
        case ColumnType.NUMERIC:
            number = Decimal(value)
            if number == number.to_integral_value():
                return int(number) if -(2**63) <= number < 2**63 else f"{number:f}"
            return float(number) if Decimal(repr(float(number))) == number else f"{number:f}"
        case ColumnType.BOOLEAN:
            return value
        case ColumnType.TIMESTAMP:
            at = datetime.fromisoformat(value).astimezone(UTC)
            return at.strftime("%m-%d %H:%M:%S.%f").join((f"{at.year:04}-", "")) if lite else at
        case ColumnType.JSON:
            return compact(value)
        case _:
            return str(value) if isinstance(value, str) else compact(value)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@settings(deadline=None, max_examples=150)
@given(page=pages)
def test_both_routes_give_what_the_reference_gives(dialect, page):
    """The first page goes the careful way, the same page again the compiled one."""
    body = json.dumps({"data": page}).encode()
    decoder = StreamDecoder(STREAM, None, dialect)

    first = decode(decoder, body)
    second = decode(decoder, body)

    literal = json.loads(body, parse_float=Literal, parse_int=Literal)["data"]
    assert first.rejects == ()
    for row, item in zip(first.block.rows, literal, strict=True):
        for value, column in zip(row, decoder.schema.columns, strict=True):
            wanted = expected(column.type, item.get(column.path[0]), dialect)
            is_long = column.type is ColumnType.NUMERIC and isinstance(wanted, str)
            assert (Decimal(value) == Decimal(wanted)) if is_long else (value == wanted), column
    assert second.block == first.block
    assert second.facts == first.facts


@settings(deadline=None, max_examples=60)
@given(page=pages)
def test_the_second_page_of_a_kind_takes_the_compiled_route(page):
    """Columns that hold unusual spellings are loosened; no page of known kind stays slow."""
    body = json.dumps({"data": page}).encode()
    decoder = StreamDecoder(STREAM, None, "sqlite")
    decode(decoder, body)
    response = Response(status=200, headers={}, body=body, url="", started_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert decoder._fast(body, PageRequest(window=Window(), position="1"), response) is not None


@settings(deadline=None, max_examples=80)
@given(one=pages, two=pages)
def test_hashes_do_not_depend_on_the_order_of_pages_once_the_schema_is_settled(one, two):
    """A page decoded again under the newest version equals the same page decoded under it at first."""
    bodies = [json.dumps({"data": page}).encode() for page in (one, two)]
    decoder = StreamDecoder(STREAM, None, "sqlite")
    early = [decode(decoder, body) for body in bodies]

    again = [decoder.again(page) for page in early]

    fresh = StreamDecoder(STREAM, decoder.schema, "sqlite")
    assert [page.block for page in again] == [decode(fresh, body).block for body in bodies]
    assert fresh.schema == decoder.schema


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_a_page_or_an_error_of_ours(noise):
    """Nothing but our own errors comes out, whatever the server sends."""
    from etl.errors import MalformedPage

    decoder = StreamDecoder(STREAM, None, "sqlite")
    for body in (noise, b'{"data":[' + noise + b"]}", b'{"data":[{"id":1,"x":"' + noise + b'"}]}'):
        try:
            decode(decoder, body)
        except MalformedPage:
            continue
