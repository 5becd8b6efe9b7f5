"""The examples as they are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.settings import load

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
NAMES = [
    "github", "graphql", "hackernews", "hubspot", "jira", "openlibrary", "openmeteo", "pokeapi", "salesforce",
    "shopify", "stripe", "wordpress", "zendesk",
]  # fmt: skip


def test_every_example_loads_without_its_secrets() -> None:
    """As `etl check --offline` reads them; a missing variable is no mistake of the file."""
    settings = load(EXAMPLES, environ={})

    assert sorted(settings.sources) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_short(name: str) -> None:
    """A file that is longer than what the API's own page needs is a sign that the format lacks something."""
    lines = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 32
    assert lines[0].startswith("# ")
