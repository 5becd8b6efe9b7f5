"""The command line as a process: help, speed, exit codes, and what the reference says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from etl.entrypoints.cli.app import build

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
HEAVY = ("sqlalchemy", "httpx", "httptools", "alembic", "rich", "pydantic", "apscheduler", "msgspec", "yaml")


def etl(*arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    return subprocess.run(
        [sys.executable, "-m", "etl", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, "PYTHONUTF8": "1", **environ},
        timeout=60,
        check=False,
    )


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its path, groups left out."""
    root = typer.main.get_command(build())

    def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
        for name, child in getattr(command, "commands", {}).items():
            if hasattr(child, "commands"):
                yield from walk(f"{path} {name}", child)
            else:
                yield f"{path} {name}", child

    return walk("etl", root)


COMMANDS = dict(commands())


def test_help_imports_nothing_heavy() -> None:
    """`etl --help` answers at once, because databases, HTTP and screens are left alone."""
    script = (
        "import sys\n"
        "from etl.entrypoints.cli.process import run\n"
        "assert run(['--help']) == 0\n"
        f"print(sorted(set(sys.modules) & {set(HEAVY)!r}), file=sys.stderr)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr.strip() == "[]"
    assert "sync" in done.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_in_the_reference_with_its_options(path: str) -> None:
    """No hidden feature: the reference names each command and each option."""
    text = REFERENCE.read_text(encoding="utf-8")

    assert re.search(rf"`{path}[ `]", text), f"{path} is missing"
    for parameter in COMMANDS[path].params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("-"):
                assert re.search(rf"[` ]{re.escape(option)}[ `]", text), f"{path} {option} is missing"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_ends_its_help_with_an_example(path: str) -> None:
    """The example is a line that can be typed."""
    epilog = COMMANDS[path].epilog

    assert "Example" in epilog
    assert f"  {path}" in epilog


def test_every_exit_code_of_a_usage_error_is_two(tmp_path: Path) -> None:
    """An unknown command, an unknown option, a value out of range: 2, a hint, no traceback."""
    for arguments in (("frobnicate",), ("sync", "--frobnicate"), ("sync", "--limit", "0"), ("query",)):
        done = etl(*arguments, cwd=tmp_path)

        assert done.returncode == 2, arguments
        assert "hint  see etl" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_sync_prints_its_object_even_when_an_option_is_unknown(tmp_path: Path) -> None:
    """Whoever reads stdout as JSON gets JSON."""
    done = etl("sync", "--json", "--frobnicate", cwd=tmp_path)

    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], found["status"], found["run_id"]) == (2, 2, "failed", None)
    assert found["streams"] == []
    assert "--frobnicate" in found["reason"]


@pytest.mark.parametrize(
    "command", [("init", "http://127.0.0.1:9/x"), ("plan",), ("status",), ("check", "nothing.there")]
)
def test_json_is_an_object_where_a_command_ends_in_an_error(tmp_path: Path, command: tuple[str, ...]) -> None:
    """With the exit code and the cause; only `query` prints rows or nothing."""
    done = etl(*command, "--json", cwd=tmp_path)

    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode != 0
    assert found.get("reason") or found["facts"]


def test_bare_etl_without_a_configuration_suggests_the_demo(tmp_path: Path) -> None:
    """A first step instead of an error."""
    done = etl(cwd=tmp_path)

    assert done.returncode == 0
    assert "etl demo" in done.stderr
    assert done.stdout == ""


def test_version_is_one_line_on_stdout() -> None:
    """What a report of a problem needs."""
    done = etl("--version")

    assert re.fullmatch(r"everypage \S+ \(Python \S+, SQLite \S+\)\n", done.stdout)


def test_schema_is_json_on_stdout(tmp_path: Path) -> None:
    """Editors can be pointed at it; it needs no configuration."""
    done = etl("schema", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "$defs" in json.loads(done.stdout) or "properties" in json.loads(done.stdout)


def test_a_reset_without_a_terminal_needs_yes(tmp_path: Path) -> None:
    """Nobody could answer the question."""
    done = etl("state", "reset", "github.issues", cwd=tmp_path)

    assert done.returncode == 2
    assert "add --yes" in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    """`etl schema | head -1` shows no traceback."""
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [sys.executable, "-m", "etl", "schema"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (141, "")


def test_an_ascii_terminal_gets_ascii(tmp_path: Path) -> None:
    """No sign of a message breaks on a stream that cannot encode it."""
    done = etl("frobnicate", cwd=tmp_path, PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert done.returncode == 2
    assert done.stderr.startswith("x No such command")
