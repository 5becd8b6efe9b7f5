"""The examples as they are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.settings import load

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
LINES = {
    "github": 13, "graphql": 26, "hackernews": 13, "hubspot": 19, "jira": 14, "openlibrary": 10, "openmeteo": 21,
    "pokeapi": 12, "salesforce": 19, "shopify": 11, "stripe": 12, "wordpress": 9, "zendesk": 11,
}  # fmt: skip


def test_every_example_loads_without_its_secrets() -> None:
    """As `etl check --offline` reads them; a missing variable is no mistake of the file."""
    settings = load(EXAMPLES, environ={})

    assert sorted(settings.sources) == sorted(LINES)


@pytest.mark.parametrize(("name", "most"), LINES.items())
def test_every_example_is_short(name: str, most: int) -> None:
    """A file that is longer than what the API's own page needs is a sign that the format lacks something."""
    lines = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()

    assert lines[0].startswith("# ")
    assert len([line for line in lines if line.strip() and not line.lstrip().startswith("#")]) <= most
