"""Every recipe of the how-to is a whole source file that loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl.settings import load

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "configure-an-api.md"
BLOCKS = re.findall(
    r"^## ([^\n]+)\n(?:(?!^## ).)*?```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("block", [block for _, block in BLOCKS], ids=[title for title, _ in BLOCKS])
def test_every_recipe_loads(block: str, tmp_path: Path) -> None:
    """What a reader copies is checked by the same code that reads it."""
    (tmp_path / "shop.yaml").write_text(block, encoding="utf-8")

    settings = load(tmp_path, environ={})

    assert settings.streams
    assert all(stream.source == "shop" for stream in settings.streams)


def test_there_is_a_recipe_for_every_way_to_page() -> None:
    """A pattern that finds no block would pass the test above."""
    assert len(BLOCKS) == PAGE.read_text(encoding="utf-8").count("```yaml") == 14
