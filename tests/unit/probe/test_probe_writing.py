"""The file that a draft becomes: valid, commented, and never a stranger's to write into."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from etl.probe.access import Credentials
from etl.probe.draft import Draft
from etl.probe.question import Question
from etl.probe.rows import Place
from etl.probe.ways import Way
from etl.probe.writing import comment, env_example, file_text, scalar
from etl.settings import load
from etl.testing.clock import NOON

NASTY = [
    "",
    "null",
    "yes",
    "1",
    "1e5",
    "a: b",
    "# no",
    "{x}",
    "*a",
    "it's",
    'a "b"',
    "a\nb: c",
    "\x85x",
    "\u2028",
    "😀",
    "a\\b",
    " a",
    "~",
    "<<",
]


@pytest.mark.parametrize("text", NASTY)
def test_every_text_comes_back_from_yaml_as_it_was(text: str) -> None:
    """Quoted unless it can mean nothing else."""
    assert yaml.safe_load(f"key: {scalar(text)}\n") == {"key": text}
    assert yaml.safe_load(f"{{{scalar(text)}: {scalar(text)}, b: 1}}\n") == {text: text, "b": 1}


@pytest.mark.parametrize("text", ["a\nkey: value", "a\rb", "a\x85b", "a\u2028b", "a\x00b"])
def test_a_comment_is_one_line(text: str) -> None:
    """An answer cannot write a key of its own into the file."""
    assert yaml.safe_load(f"a: 1  # {comment(text)}\n") == {"a": 1}


def test_a_hostile_answer_cannot_add_a_key(tmp_path: Path) -> None:
    """Names of fields, of parameters and of evidence are data, whatever they hold."""
    evil = 'x\nstreams: {evil: {path: /}}\n"'
    draft = Draft(
        source="shop", stream="items", place=Place(shape="objects", path=(evil,)),
        way=Way(kind="number", param=evil, first=1),
        question=Question(base_url="https://api.example.org", path="/items{a}", params=(("q", "{b} c"),)),
        credentials=Credentials(), key=(("id",),), notes={"pages": evil, "records": evil, "incremental": evil},
    )  # fmt: skip
    text = file_text(draft, now=NOON, requests=3)

    read = yaml.safe_load(text)
    assert list(read) == ["base_url", "streams"]
    assert list(read["streams"]) == ["items"]
    assert read["streams"]["items"]["params"] == {"q": "{{b}} c", evil: "{page}"}


def test_the_written_file_is_a_configuration(tmp_path: Path) -> None:
    """It loads without a problem."""
    draft = Draft(
        source="shop", stream="items", place=Place(shape="objects", path=("data", "my items")),
        way=Way(kind="cursor", param="after", selector="paging.next", more="has_more"), size_param="limit", size=100,
        question=Question(
            base_url="https://api.example.org/v1", path="/items", method="POST", carrier=("variables",),
            body={"query": "query { items { id } }", "variables": {"first": 5, "tags": ["a", {"b": None}]}},
        ),
        credentials=Credentials(kind="bearer", parts=(("token", "${SHOP_TOKEN}"),)), key=(("id",), ("line",)),
    )  # fmt: skip
    (tmp_path / "shop.yaml").write_text(file_text(draft, now=NOON, requests=3), encoding="utf-8")

    (stream,) = load(tmp_path, environ={"SHOP_TOKEN": "a-secret-token"}).streams

    assert stream.key == (("id",), ("line",))
    assert stream.request.names() == {"cursor", "size"}
    assert stream.records.path.path == 'data."my items"'


def test_names_of_secrets_are_added_once() -> None:
    """What a person wrote stays."""
    assert env_example("# mine\nA=1\n", ["A", "B"]) == "# mine\nA=1\nB=\n"
    assert env_example("", ["A", "A"]) == "A=\n"
