"""Bodies that no honest API sends, on their whole way into either database.

Every item is stored or kept among the rejects, or the run does not end with 0.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib

import pytest

from tests.acceptance.hostile.conftest import Hostile, http

GOOD = b'{"data":[{"id":1,"name":"one"},{"id":2,"name":"two"}]}'
STREAM = """
{name}:
  path: /{name}
  records: data
  pages: {pages}
  key: id
  expect: {{max_reject_share: 1}}
"""


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


CHUNKS = b'b\r\n{"data":[]}\r\n0\r\n\r\n'
REFUSED = {
    "html": (http(b"<!doctype html><title>Log in</title>"), "markup instead of JSON"),
    "empty_body": (http(b""), "empty"),
    "blank_body": (http(b" \n "), "empty"),
    "no_content": (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
    "error_in_200": (http(b'{"error":{"code":500}}'), "no records at 'data'"),
    "null_records": (http(b'{"data":null}'), "no records at 'data'"),
    "text_records": (http(b'{"data":"nothing"}'), "no list of records"),
    "number_records": (http(b'{"data":7}'), "no list of records"),
    "bare_text": (http(b'"ok"'), "no records"),
    "bare_list": (http(b'[{"id":1}]'), "no records"),
    "latin_1": (http('{"data":[{"id":1,"name":"café"}]}'.encode("latin-1")), "not JSON"),
    "utf_16": (http('{"data":[{"id":1}]}'.encode("utf-16")), "not JSON"),
    "nan": (http(b'{"data":[{"id":1,"x":NaN}]}'), "not JSON"),
    "infinity": (http(b'{"data":[{"id":1,"x":Infinity}]}'), "not JSON"),
    "minus_infinity": (http(b'{"data":[{"id":1,"x":-Infinity}]}'), "not JSON"),
    "comment": (http(b'{"data":[{"id":1} /* more */]}'), "not JSON"),
    "trailing_comma": (http(b'{"data":[{"id":1},]}'), "not JSON"),
    "two_documents": (http(GOOD + GOOD), "not JSON"),
    "raw_nul": (http(b'{"data":[{"id":1,"name":"a\0b"}]}'), "not JSON"),
    "deep_envelope": (http(b'{"meta":' + deep(100_000) + b',"data":[{"id":1}]}'), "nested deeper"),
    "deep_item": (http(b'{"data":[{"id":1,"x":' + deep(100_000) + b"}]}"), "nested deeper"),
    "deep_open": (http(b'{"data":' + b"[" * 100_000), "nested deeper"),
    "cut_gzip": (http(gzip.compress(GOOD * 50)[:-20], "Content-Encoding: gzip"), "ended too early"),
    "no_gzip": (http(GOOD, "Content-Encoding: gzip"), "damaged"),
    "brotli": (http(b"\x0b\x02\x80[]\x03", "Content-Encoding: br"), "'br'"),
    "nested_gzip": (http(gzip.compress(gzip.compress(GOOD)), "Content-Encoding: gzip, gzip"), "encoding"),
    "bomb": (http(gzip.compress(b" " * 30_000_000), "Content-Encoding: gzip"), "larger than 1,000,000 bytes"),
    "status_line": (b"what?\r\n\r\n" + GOOD, "not HTTP"),
    "status_number": (b"HTTP/1.1 999999 OK\r\nContent-Length: 0\r\n\r\n", "HTTP"),
    "two_lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Length: 15\r\n\r\n" + b'{"data":[]}   ', "not HTTP",
    ),
    "length_and_chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        "not HTTP",
    ),
    "negative_length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + GOOD, "not HTTP"),
    "broken_chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD, "",
    ),
    "missing_last_chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n36\r\n" + GOOD + b"\r\n", "",
    ),
    "long_header": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 700_000 + b"\r\nContent-Length: 2\r\n\r\n[]", "HTTP"),
    "many_headers": (
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"Content-Length: 2\r\n\r\n[]", "",
    ),
    "half_a_page": (http(GOOD)[:-10], ""),
    "partial": (http(GOOD, "Content-Range: bytes 0-9/99", status="206 Partial Content"), "206"),
    "not_modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "304"),
    "early_hints_for_ever": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_000, ""),
}  # fmt: skip


def test_what_is_no_page_never_ends_well(hostile: Hostile) -> None:
    """Each in a stream of its own: no crash, no success, a cause in words, and nothing stored."""
    hostile.wires.answers = {f"/{name}": answer for name, (answer, _) in REFUSED.items()}
    hostile.streams(
        "".join(STREAM.format(name=name, pages="none") for name in REFUSED),
        limits="{retries: 0, timeout: 2s, body: 1000000}",
    )

    done = hostile.sync()

    assert done.code in (3, 4, 5)
    told = {line["stream"].removeprefix("api."): line for line in done.json["streams"]}
    assert {name: line["status"] for name, line in told.items()} == dict.fromkeys(REFUSED, "failed")
    assert [(n, told[n]["reason"]) for n, (_, words) in REFUSED.items() if words not in told[n]["reason"]] == []
    assert hostile.project.rows("SELECT table_name FROM _etl_tables") == []


ODD = {
    "members": gzip.compress(GOOD[:20]) + gzip.compress(GOOD[20:]),
    "deflate": zlib.compress(GOOD),
    "mark": b"\xef\xbb\xbf" + GOOD,
    "blanks": b"\n\t " + GOOD + b"\r\n ",
}
PACKED = {"members": "gzip", "deflate": "deflate"}


def test_unusual_but_whole_bodies_are_read(hostile: Hostile) -> None:
    """Members of gzip one after the other, a byte order mark, blanks around."""
    for name, body in ODD.items():
        hostile.wires.answers[f"/{name}"] = http(body, *(f"Content-Encoding: {p}" for p in [PACKED.get(name)] if p))
    hostile.streams("".join(STREAM.format(name=name, pages="none") for name in ODD))

    assert hostile.sync().code == 0

    for name in ODD:
        assert hostile.project.rows(f"SELECT id, name FROM api_{name} ORDER BY id") == [(1, "one"), (2, "two")]


HUGE = "9" * 5_000
LONG = random.Random(1).randbytes(2_500).hex()
ITEMS = [
    '{"id": 1, "n": 1, "t": "plain"}',
    f'{{"id": 2, "n": {HUGE}}}',
    f'{{"id": 3, "n": {2**63}}}',
    f'{{"id": 4, "n": {2**53 + 1}}}',
    '{"id": 5, "n": 12345678901234567.89}',
    '{"id": 6, "n": 1e400}',
    '{"id": 7, "n": -0.1e-300}',
    '{"id": 8, "t": "nul \\u0000 inside"}',
    '{"id": 9, "t": "lone \\ud800 surrogate"}',
    '{"id": 10, "t": "first", "t": "last"}',
    '{"id": 11, "o": {"an": ["object", 1]}}',
    '{"id": 12, "n": "text"}',
    '{"id": "13", "t": "an id of text"}',
    '{"id": 14.0, "t": "an id with a point"}',
    '{"id": null, "t": "no id"}',
    '{"t": "no id either"}',
    '{"id": {"a": 1}, "t": "an id that is an object"}',
    '"not an object"', "7", "null", "[1,2]", "true",
    '{"id": {"b": 2}}',
    '{"id": 15, "t": "\\ud83d\\ude00 \\u202e rtl"}',
    f'{{"id": {HUGE}, "t": "an id of 5,000 digits"}}',
    f'{{"id": "{LONG}", "t": "an id that does not compress"}}',
]  # fmt: skip


REASONS = {
    "expected an object, got ": 5,
    "key is an object or a list": 2,
    "key is missing": 2,
    "key of 5,002 bytes, no index takes more than 2,000": 2,
    "text with a NUL character, which PostgreSQL cannot store": 1,
    "text with a lone surrogate, which no database stores": 1,
}
NUMBERS = {
    "1": "1", "2": HUGE, "3": str(2**63), "4": str(2**53 + 1), "5": "12345678901234567.89", "6": "1e400",
    "7": "-0.1e-300", "10": None, "11": None, "12": "text", "13": None, "14": None, "15": None,
}  # fmt: skip


@pytest.mark.parametrize("pages", ["none", "null"], ids=["declared", "undeclared"])
def test_every_item_is_stored_or_kept_with_its_reason(hostile: Hostile, pages: str) -> None:
    """One bad item costs itself and not its neighbours; no number is rounded; twice the same on either database."""
    hostile.wires.answers["/things"] = http(f'{{"data": [{",".join(ITEMS)}]}}'.encode())
    hostile.streams(STREAM.format(name="things", pages=pages))

    for run in (1, 2):
        done = hostile.sync()

        assert done.code == 0, done.out
        assert dict(hostile.project.rows("SELECT id, n FROM api_things")) == NUMBERS
        reasons = [reason for _, reason in hostile.rejects()]
        found = {words: sum(words in reason for reason in reasons) for words in REASONS}
        assert found == {words: run * count for words, count in REASONS.items()}
        assert len(NUMBERS) + len(reasons) / run == len(ITEMS)
    assert hostile.project.one("SELECT t FROM api_things WHERE id = '10'") == "last"
    assert hostile.project.one("SELECT t FROM api_things WHERE id = '15'") == "\U0001f600 \u202e rtl"


def test_keys_are_compared_byte_by_byte(hostile: Hostile) -> None:
    """Composed or not, upper or lower, with a blank or without: five keys on either database, and again five."""
    keys = ["\u00e9", "e\u0301", "\u00c9", "\u00e9 ", "E\u0301"]
    hostile.wires.answers["/things"] = http(json.dumps({"data": [{"id": key} for key in keys]}).encode())
    hostile.streams(STREAM.format(name="things", pages="none"))

    for _ in range(2):
        assert hostile.sync().code == 0
        assert {key for (key,) in hostile.project.rows("SELECT id FROM api_things")} == set(keys)
