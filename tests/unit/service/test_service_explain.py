"""Every error code has its text, and the reference holds the same."""

from __future__ import annotations

from pathlib import Path

import pytest

import etl.bootstrap  # noqa: F401 - with every room come all errors there are
from etl.entrypoints.cli.process import run
from etl.errors import EtlError, UsageError
from etl.service.explain import codes, explain, page
from etl.service.explanations import EXPLANATIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "error-codes.md"


def tree(kind: type[EtlError] = EtlError) -> list[type[EtlError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


def test_every_code_of_the_error_tree_has_its_text() -> None:
    """An error that nobody can look up helps nobody; a text without an error would be a lie."""
    assert codes() == set(EXPLANATIONS)


def test_the_exit_code_of_a_text_is_that_of_its_error() -> None:
    """Told once in the code, once in words."""
    exits = {kind.code: kind.exit_code for kind in tree() if "code" in vars(kind)}

    assert {code: entry.exit_code for code, entry in EXPLANATIONS.items()} == exits


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_every_text_says_what_it_means_what_causes_it_and_what_to_do(code: str) -> None:
    """Three parts, none of them empty."""
    found = EXPLANATIONS[code]

    assert found.means.endswith(".")
    assert "" not in found.causes != ()
    assert "" not in found.do != ()


def test_the_page_of_the_reference_is_the_same_text() -> None:
    """Written by `page()`; whoever changes a text writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("written", ["E-AUTH", "e-auth", "auth"])
def test_a_code_is_found_however_it_is_written(written: str) -> None:
    """Case and prefix do not matter."""
    assert explain(written).code == "E-AUTH"


def test_an_unknown_code_names_the_nearest() -> None:
    """A digit that was lost while copying."""
    with pytest.raises(UsageError) as refused:
        explain("E-LEASE-HOLD")

    assert refused.value.hint == "did you mean E-LEASE-HELD?"


def test_explain_needs_no_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It answers where nothing else works."""
    code = run(["explain", "E-DATABASE", "--config", str(tmp_path / "none")])

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("E-DATABASE (exit code 6)\n")
    assert "usual causes" in out
    assert "what to do" in out
