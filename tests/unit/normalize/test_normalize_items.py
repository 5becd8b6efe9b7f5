"""Bad items, awkward names, nesting, and what belongs to a row's hash."""

import json
import sqlite3

import pytest


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    ("item", "reason", "path", "key"),
    [
        (b'{"x":"a"}', "key is missing", "$.id", None),
        (b'{"id":null,"x":"a"}', "key is missing", "$.id", None),
        (b"5", "expected an object", "$", None),
        (b"null", "expected an object", "$", None),
        (b"[1]", "expected an object", "$", None),
        (b'{"id":9,"x":"a\\u0000b"}', "NUL", "$.x", "9"),
        (b'{"id":9,"j":{"k":["\\u0000"]}}', "NUL", "$.j", "9"),
        (b'{"id":9,"x":"\\ud800"}', "surrogate", "$.x", "9"),
        (b'{"id":9,"j":{"\\udc00":1}}', "surrogate", "$.j", "9"),
    ],
)
def test_a_bad_item_is_kept_with_its_reason_and_the_others_become_rows(bench, item, reason, path, key, warm):
    """The raw bytes are those that the API sent."""
    decoder = bench.decoder()
    if warm:
        bench.feed(decoder, {"id": 1, "x": "t", "j": {}})

    page = bench.answer(decoder, b'{"data":[{"id":1,"x":"t","j":{}},' + item + b',{"id":2,"x":"u","j":{}}]}')

    assert page.block.keys == [(1,), (2,)]
    (reject,) = page.rejects
    assert (reject.index, reject.path, reject.raw, reject.key) == (1, path, item, key)
    assert reason in reject.reason
    assert page.facts.count == 3
    assert len(page.facts.key_digests) == 8 * (2 if key is None else 3)


def test_a_rejected_item_does_not_grow_the_table(bench):
    """An error object among the items adds no columns."""
    decoder = bench.decoder()

    bench.feed(decoder, {"id": 1}, {"error": "gone", "code": 5})

    assert bench.types(decoder) == {"id": "bigint"}


def test_text_that_spells_an_escape_is_no_nul_character(bench):
    """A backslash followed by u0000 is six harmless characters."""
    decoder = bench.decoder()

    for _ in range(2):
        page = bench.feed(decoder, {"id": 1, "x": "a\\u0000", "j": ["\\u0000"], "s": "\U0001d54f"})

    assert page.block.rows == [(1, "a\\u0000", '["\\\\u0000"]', "\U0001d54f")]


def test_a_record_beyond_its_limit_is_rejected(bench):
    """And its raw bytes are capped."""
    decoder = bench.decoder(max_record_bytes=100_000)

    page = bench.feed(decoder, {"id": 1, "x": "a" * 200_000}, {"id": 2, "x": "b"})

    assert page.block.keys == [(2,)]
    assert len(page.rejects[0].raw) == 65_536


def test_an_unreadable_cursor_rejects_its_item(bench):
    """A null cursor does not."""
    decoder = bench.decoder(cursor=("at", "unix"))
    bench.feed(decoder, {"id": 1, "at": "5"})

    page = bench.feed(decoder, {"id": 1, "at": "5"}, {"id": 2, "at": "soon"}, {"id": 3, "at": None})

    assert page.block.cursors == [5_000_000, None]
    assert [(r.index, r.path) for r in page.rejects] == [(1, "$.at")]


def test_the_last_of_two_equal_names_wins(bench):
    """On both routes."""
    decoder = bench.decoder()
    body = b'{"data":[{"id":1,"n":1,"n":2}]}'

    assert bench.answer(decoder, body).block.rows == bench.answer(decoder, body).block.rows == [(1, 2)]


def test_duplicate_keys_stay_in_page_order(bench):
    """The loader decides which one is newer."""
    page = bench.feed(bench.decoder(), {"id": 1, "n": 1}, {"id": 1, "n": 2})

    assert page.block.rows == [(1, 1), (1, 2)]


AWKWARD = {
    "id": 1, "UPPER": 1, "upper": 2, "": "e", "_etl_hash": "mine", "日本": True, 'quo"te': 1, "back\\slash": 2,
    "x" * 80: 1, "x" * 80 + "y": 2, "select": 3, "a.b": 4, "é" * 40: 5, "_extra": 6, "xmin": 7, "nul\0": 8,
}  # fmt: skip


def test_awkward_names_become_distinct_legal_columns(bench):
    """Names stay where they are legal; the others get a suffix that two processes agree on."""
    decoder, other = bench.decoder(), bench.decoder()

    page = bench.feed(decoder, AWKWARD)
    bench.feed(other, AWKWARD)

    names = [column.name for column in decoder.schema.columns]
    assert names == [column.name for column in other.schema.columns]
    assert names[:3] == ["id", "UPPER", "upper_" + names[2][6:]]
    assert {"日本", "select", "a.b", 'quo"te'} <= set(names)
    assert len({name.casefold() for name in names}) == len(AWKWARD)
    assert all(0 < len(name.encode()) <= 63 and not name.startswith("_etl_") for name in names)
    assert {"_extra", "xmin"}.isdisjoint(names)
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t ({quoted})")
    connection.close()
    assert page.block.rows == [tuple(1 if value is True else value for value in AWKWARD.values())]
    assert bench.feed(decoder, AWKWARD).block == page.block


def test_fields_beyond_the_column_limit_go_to_one_json_column(bench):
    """1,500 columns, the rest in `_extra`; later new fields go there too."""
    decoder = bench.decoder()
    item = {"id": 1} | {f"f{n}": n for n in range(2000)}

    page = bench.feed(decoder, item)
    later = bench.feed(decoder, {"id": 2, "novel": "x"})

    assert len(decoder.schema.columns) == 1500
    assert decoder.schema.columns[-1].name == "_extra"
    assert json.loads(page.block.rows[0][-1]) == {f"f{n}": n for n in range(1498, 2000)}
    assert later.block.rows[0][-1] == '{"novel":"x"}'


def test_a_path_of_the_key_gets_a_column_beside_the_json(bench):
    """Without `flatten`: `fields.id` is stored as `fields__id` as well."""
    decoder = bench.decoder(key=("fields.id",), cursor=("fields.updated", "iso"))
    item = {"fields": {"id": 7, "updated": "2024-01-01T00:00:00Z", "more": [1]}}

    pages = [bench.feed(decoder, item) for _ in range(2)]

    assert bench.types(decoder) == {"fields": "json", "fields__id": "bigint", "fields__updated": "timestamp"}
    assert decoder.schema.key == ("fields__id",)
    assert pages[0].block.keys == [(7,)]
    assert pages[0].block.cursors == [1704067200000000]
    assert pages[0].block == pages[1].block


def test_flatten_spreads_objects_and_keeps_lists(bench):
    """Two levels here; what lies deeper stays JSON."""
    decoder = bench.decoder(flatten=2)
    item = {"id": 1, "a": {"b": {"c": {"d": 1}}, "l": [1]}, "n": None}

    pages = [bench.feed(decoder, item) for _ in range(2)]

    assert bench.types(decoder) == {"id": "bigint", "a__b__c": "json", "a__l": "json", "n": "unknown"}
    assert pages[0].block.rows == [(1, '{"d":1}', "[1]", None)]
    assert pages[0].block == pages[1].block


def test_a_flattened_object_may_be_null_or_a_scalar(bench):
    """Null leaves its columns null; a scalar gets a column of its own."""
    decoder = bench.decoder(flatten=1)
    bench.feed(decoder, {"id": 1, "a": {"b": 1}}, {"id": 2, "a": None})
    assert bench.types(decoder) == {"id": "bigint", "a__b": "bigint"}

    mixed = [{"id": 1, "a": {"b": 1}}, {"id": 2, "a": "x"}, {"id": 3, "a": None}, {"id": 4}]
    pages = [bench.feed(decoder, *mixed) for _ in range(2)]

    assert pages[0].block.rows == [(1, 1, None), (2, None, "x"), (3, None, None), (4, None, None)]
    assert pages[0].block == pages[1].block
    assert bench.feed(decoder, {"id": 1, "a": {"b": 1, "new": 5}}).block.rows == [(1, 1, None, 5)]


def test_dropped_fields_are_not_stored(bench):
    """Nor do they need care: the compiled route knows them."""
    decoder = bench.decoder(columns={"noise": "drop", "a.b": "drop"}, flatten=1)
    item = {"id": 1, "noise": {"x": 1}, "a": {"b": 1, "c": 2}}

    pages = [bench.feed(decoder, item) for _ in range(2)]

    assert bench.types(decoder) == {"id": "bigint", "a__c": "bigint"}
    assert pages[0].block == pages[1].block


def test_volatile_columns_are_stored_but_not_hashed(bench):
    """An age that changes with every reading does not make a new version of the row."""
    decoder = bench.decoder(columns={"age": "volatile"})

    page = bench.feed(decoder, {"id": 1, "age": 5}, {"id": 1, "age": 6})

    assert page.block.rows == [(1, 5), (1, 6)]
    assert page.block.hashes[0] == page.block.hashes[1]


def test_a_hash_names_its_values(bench):
    """The same value in another column is another row."""
    decoder = bench.decoder()

    page = bench.feed(decoder, {"id": 1, "a": "x", "b": None}, {"id": 1, "a": None, "b": "x"})

    assert page.block.hashes[0] != page.block.hashes[1]


def test_a_hash_is_the_same_in_every_process(bench):
    """A literal value: a change here rewrites every table of every user."""
    page = bench.feed(bench.decoder(), {"id": 1, "a": "x"})

    assert page.block.hashes[0].hex() == "dcd1966ca702ed9ffa90caa455b7d893"


def test_blanks_inside_json_do_not_count(bench):
    """JSON columns hold compact text."""
    decoder = bench.decoder()

    loose = bench.answer(decoder, b'{"data": [{"id": 1, "j": {"a" : [1, 2.50],\n "b":"x y"}}]}')
    tight = bench.answer(decoder, b'{"data":[{"id":1,"j":{"a":[1,2.50],"b":"x y"}}]}')

    assert loose.block.rows == [(1, '{"a":[1,2.50],"b":"x y"}')]
    assert loose.block == tight.block


@pytest.mark.parametrize("flatten", [0, 1])
def test_a_key_inside_a_dropped_object_stays(bench, flatten):
    """The rest of the object is not stored."""
    decoder = bench.decoder(key=("fields.id",), columns={"fields": "drop"}, flatten=flatten)

    pages = [bench.feed(decoder, {"n": 1, "fields": {"id": 7, "more": [1]}}) for _ in range(2)]

    assert bench.types(decoder) == {"n": "bigint", "fields__id": "bigint"}
    assert pages[0].block.keys == [(7,)]
    assert pages[0].block == pages[1].block


def test_a_declared_column_of_a_flattened_object_exists_from_the_start(bench):
    """`a__b` names the path as it names the column."""
    decoder = bench.decoder(flatten=1, columns={"a__b": "numeric", "a__never": "date"})

    page = bench.feed(decoder, {"id": 1, "a": {"b": "1.5"}})

    assert bench.types(decoder) == {"id": "bigint", "a__b": "numeric", "a__never": "date"}
    assert page.block.rows == [(1, 1.5, None)]


def test_a_table_without_a_key_has_rows_and_a_digest_of_its_pages(bench):
    """Append-only streams need none."""
    decoder = bench.decoder(key=())

    pages = [bench.feed(decoder, {"n": 1}, {"n": 1}) for _ in range(2)]

    assert pages[0].block.keys == [(), ()]
    assert (pages[1].facts.count, pages[1].facts.first_key, pages[1].facts.key_digests) == (2, None, b"")
    assert pages[0].facts == pages[1].facts
    assert pages[0].block == pages[1].block


@pytest.mark.parametrize("format_", ["number", "text", "iso"])
def test_cursors_are_canonical(bench, format_):
    """Numbers as numbers, text as it stands, instants in microseconds."""
    value, cursor = {
        "number": ("17", 17),
        "text": ("2024-01-01T00:00:00Z",) * 2,
        "iso": ("2024-01-01", 1704067200000000),
    }[format_]
    decoder = bench.decoder(cursor=("at", format_))

    pages = [bench.feed(decoder, {"id": 1, "at": value}) for _ in range(2)]

    assert pages[0].block.cursors == [cursor]
    assert pages[0].block == pages[1].block


def test_the_compiled_route_takes_every_known_page(bench):
    """Extraction, flattening, drops, constants and odd spellings stay fast after their first page."""
    decoder = bench.decoder(
        flatten=1, key=("a.id",), columns={"d": "drop", "s": "numeric"}, add=[("c", "x")], cursor=("o.p.q", "number")
    )
    item = {"a": {"id": 1, "m": "x"}, "d": {}, "s": "5", "o": {"p": {"q": 5}}, "t": "2024-01-01T00:00:00Z"}
    page = bench.feed(decoder, item, {**item, "a": {"id": 2, "m": 5}})

    assert decoder._fast(page.response.body, page.request, page.response) == decoder.decode(page.request, page.response)
    assert page.block == decoder.decode(page.request, page.response).block
