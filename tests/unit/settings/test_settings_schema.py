"""The JSON Schema for editors, the fingerprint, and the source that ships with the product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.settings import json_schema, load
from etl.settings.format.project import ProjectPart
from etl.settings.format.source import SourcePart
from etl.settings.format.stream import StreamPart

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure

ROOT = Path(__file__).parents[3]


def nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


def test_the_schema_is_for_both_kinds_of_files() -> None:
    """A source or the project file; the modeline of either points to it."""
    schema = json_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["oneOf"] == [{"$ref": "#/$defs/SourcePart"}, {"$ref": "#/$defs/ProjectPart"}]
    assert set(schema["$defs"]["SourcePart"]["required"]) == {"base_url", "streams"}


def test_every_reference_of_the_schema_is_defined() -> None:
    """An editor drops a schema with a dangling reference."""
    schema = json_schema()
    references = {node["$ref"] for node in nodes(schema) if isinstance(node.get("$ref"), str)}

    assert references <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_every_key_has_a_hover() -> None:
    """The description is what an editor shows."""
    schema = json_schema()
    silent = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, node in definition.get("properties", {}).items()
        if not node.get("description")
    ]

    assert silent == []


def test_unknown_keys_are_red_in_editors_too() -> None:
    """Every map of the format is closed."""
    definitions = json_schema()["$defs"]

    assert [name for name, node in definitions.items() if node["additionalProperties"] is not False] == []


def test_keys_are_named_as_written() -> None:
    """`while`, `json` and `from` are words of Python or of pydantic."""
    definitions = json_schema()["$defs"]

    assert "while" in definitions["PagesPart"]["properties"]
    assert "json" in definitions["StreamPart"]["properties"]
    assert "from" in definitions["IncrementalPart"]["properties"]


def test_every_key_stands_in_the_reference() -> None:
    """No hidden feature."""
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    keys = {
        name
        for definition in json_schema()["$defs"].values()
        for name in definition["properties"]
        if f"`{name}`" not in text
    }

    assert keys == set()


def test_the_shipped_configuration_is_valid() -> None:
    """It points to the bundled API."""
    settings = load(ROOT / "config", environ={})

    assert [stream.id for stream in settings.streams] == ["shop.items", "shop.orders", "shop.customers"]
    assert settings.sources["shop"].base_url == "http://127.0.0.1:8808/api"


def fingerprint(configure: Configure, old: str = "", new: str = "", **environ: str) -> str:
    text = """\
base_url: https://${SHOP:-a}.example
auth: {bearer: "${TOKEN:-none}"}
limits: {rate: 5/s}
streams:
  items:
    path: /items
    params: {p: "{page}", k: "${TOKEN:-none}"}
    pages: {number: 1}
    key: id
    schedule: every 1h
    tags: [a]
    expect: {min_rows: 1}
"""
    assert old in text
    return configure(environ, shop=text.replace(old, new) if old else text).streams[0].fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate: 5/s", "rate: 6/s"),
        ("every 1h", "every 2h"),
        ("tags: [a]", "tags: [b]"),
        ("min_rows: 1", "min_rows: 2"),
        ('{bearer: "${TOKEN:-none}"}', "{header: {X: abcd}}"),
    ],
)
def test_what_asks_for_the_same_rows_keeps_the_fingerprint(configure: Configure, old: str, new: str) -> None:
    """Schedule, limits, tags, expectations and auth change nothing about the rows."""
    assert fingerprint(configure, old, new) == fingerprint(configure)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/items", "/other"),
        ("number: 1", "number: 0"),
        ("key: id", "key: uid"),
        ("    tags", "    columns: {a: text}\n    tags"),
        ('p: "{page}"', 'p: "{page}", q: x'),
    ],
)
def test_what_asks_for_other_rows_changes_the_fingerprint(configure: Configure, old: str, new: str) -> None:
    """A reading begun under one must not be completed under the other."""
    assert fingerprint(configure, old, new) != fingerprint(configure)


def test_a_rotated_token_keeps_the_fingerprint_and_another_tenant_does_not(configure: Configure) -> None:
    """A secret is not hashed; the address is."""
    assert fingerprint(configure, TOKEN="first-token") == fingerprint(configure, TOKEN="second-token")
    assert fingerprint(configure, SHOP="acme") != fingerprint(configure, SHOP="other")


def test_the_models_share_their_stream_keys() -> None:
    """`defaults` take what a stream takes; the project's take `limits` too."""
    assert SourcePart.model_fields["defaults"].annotation == StreamPart | None
    defaults = ProjectPart.model_fields["defaults"].annotation.__args__[0]
    assert set(defaults.model_fields) - set(StreamPart.model_fields) == {"limits"}
