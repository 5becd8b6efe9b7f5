"""Every fault of the catalogue is shown by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "faults.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def names_in(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_named_test_exists() -> None:
    """A test that was renamed takes its line along."""
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))

    assert len(named) > 100
    assert [f"{file}::{test}" for file, test in named if test not in names_in(TESTS / file)] == []


def test_every_fault_names_a_test() -> None:
    """A promise without a test has no line."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    faults = [line for line in lines if not line.startswith(("| fault", "| ---"))]

    assert [line for line in faults if not NAMED.search(line)] == []
