"""The documentation is held to the code: links lead somewhere, and every example configuration loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.db.database import open_database
from etl.model.clock import SystemClock
from etl.settings import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
ENVIRON = {"GITHUB_TOKEN": "t" * 8}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    """A page that moved takes its links along."""
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]

    assert broken == []


def test_every_page_is_reachable_from_the_index() -> None:
    """What nobody links to, nobody reads."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}

    assert [named(page) for page in PAGES[2:] if page != index and page.resolve() not in linked] == []


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    """The first YAML a stranger copies."""
    (source,) = YAML.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (tmp_path / "github.yaml").write_text(source, encoding="utf-8")

    settings = load(tmp_path, environ=ENVIRON)

    assert [stream.id for stream in settings.streams] == ["github.issues"]


async def test_the_reference_names_every_view_with_its_columns(tmp_path: Path) -> None:
    """The views are a promise; the page is where it is given."""
    page = (ROOT / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(etl_\w+)` \|[^|]*\| (.*) \|$", page, re.MULTILINE))
    told = {view: re.findall(r"`(\w+)`", columns) for view, columns in rows.items()}

    async with open_database(f"sqlite:///{tmp_path}/etl.db", clock=SystemClock()) as database:
        await database.migrate()
        async with database.read() as connection:
            views = await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'view'"))
            made = {
                view: [column.name for column in await connection.execute(text(f"PRAGMA table_info({view})"))]
                for (view,) in views.all()
            }

    assert told == made
