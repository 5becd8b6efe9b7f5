"""YAML as plain values, with places, and nothing a file could do to the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.settings.document import Unreadable, parse_document, read_document


def refused(text: str) -> str:
    with pytest.raises(Unreadable) as caught:
        parse_document(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("012", 12),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1e3", 1000.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("-4", -4),
        (".5", 0.5),
        ("1.", 1.0),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("=", "="),
        ("none", "none"),
        ("-", [None]),
    ],
)
def test_scalars_follow_the_core_rules_of_yaml_1_2(written: str, value: object) -> None:
    """`no` is a country, `1:30` a time, a date a text."""
    assert parse_document(f"a: {written}" if written != "-" else "a:\n  -", "x.yaml").data == {"a": value}


def test_keys_are_text_as_written() -> None:
    """`on:` and `200:` are names, not values."""
    assert parse_document("on: 1\n200: 2\n", "x.yaml").data == {"on": 1, "200": 2}


def test_every_value_and_key_knows_its_place() -> None:
    """Lines and columns count from 1; keys have a place of their own."""
    document = parse_document("a:\n  b: [x, 1.10]\n", "x.yaml")

    assert document.places["a", "b", 1] == (2, 10)
    assert document.keys["a", "b"] == (2, 3)
    assert document.place(("a", "b", "c", "d")) == (2, 6)
    assert document.texts["a", "b", 1] == "1.10"


def test_an_empty_file_is_an_empty_map() -> None:
    """A source file that was just created gives the problems of a map without keys."""
    assert parse_document("# nothing\n", "x.yaml").data == {}


def test_a_key_that_stands_twice_is_refused() -> None:
    """PyYAML alone would keep the last one silently."""
    assert refused("a: 1\nb:\n  c: 1\n  c: 2\n") == "x.yaml:4:3: b.c: `c` stands here twice, first in line 3"


def test_deep_nesting_is_refused_before_it_is_composed() -> None:
    """The C composer recurses: a hundred thousand brackets would end the process by SIGSEGV."""
    assert refused("a: " + "[" * 100_000) == "x.yaml:1:43: the file is nested deeper than 40"


def test_aliases_that_multiply_are_refused() -> None:
    """Nine lines of anchors stand for a billion values."""
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    assert "aliases make this value endless or far too large" in refused(bomb)


def test_an_alias_to_itself_is_refused() -> None:
    """A value that contains itself has no end."""
    assert "endless" in refused("a: &a [*a]\n")


def test_too_many_aliases_are_refused() -> None:
    """An alias here and there is fine, thousands are not."""
    assert "more than 200 aliases" in refused("a: &a x\nb: [" + "*a, " * 300 + "]\n")


def test_anchors_are_usable() -> None:
    """A repeated value may be written once."""
    assert parse_document("a: &a {x: 1}\nb: *a\n", "x.yaml").data == {"a": {"x": 1}, "b": {"x": 1}}


def test_tags_that_make_objects_are_refused() -> None:
    """Only plain data is read."""
    assert "the tag '!!python/name:os.system'" in refused("a: !!python/name:os.system ''\n").replace(
        "tag:yaml.org,2002:", "!!"
    )


def test_a_syntax_error_names_its_line() -> None:
    """The parser's own words, at the place of the problem."""
    assert refused("a: 1\nb: @x\n").startswith("x.yaml:2:4: not valid YAML: ")


def test_an_unquoted_variable_in_a_flow_map_key_gets_a_hint() -> None:
    """A map cannot be a key here."""
    assert "a key has to be a plain text" in refused("{a: 1}: 2\n")


def test_a_number_of_five_thousand_digits_is_refused() -> None:
    """Python refuses to convert it; the file says where it stands."""
    assert refused("a: " + "9" * 5000) == "x.yaml:1:4: a: this number cannot be read"


def test_a_file_over_one_mebibyte_is_refused(tmp_path: Path) -> None:
    """Nobody writes so much by hand."""
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read_document(path, "big.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Latin-1 would be read as something else."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: \xff\xfe")

    with pytest.raises(Unreadable, match="not UTF-8"):
        read_document(path, "x.yaml")


def test_two_documents_in_one_file_are_refused() -> None:
    """The second one would be ignored."""
    assert "x.yaml:3:1" in refused("a: 1\n\n---\nb: 2\n")
