"""A process among closed and full outputs, and with next to no file descriptors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.acceptance.conftest import SHOP, Project


def shell(project: Project, command: str) -> tuple[int, str, str]:
    """`etl` in the command stands for the program; exit code, stdout, stderr."""
    line = command.replace(" etl ", f" {sys.executable} -W error -m etl ", 1)
    done = subprocess.run(
        ["bash", "-c", line],
        check=False,
        cwd=project.folder,
        env={**os.environ, "ETL_DATABASE": project.database, "ETL_LOG_FORMAT": "plain"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full", "2>&1 | head -1"])
def test_a_sync_does_not_need_anybody_who_listens(lite: Project, closed: str) -> None:
    """A supervisor may close the streams; the file that got the number of one would be written into."""
    code, _, err = shell(lite, f"set -o pipefail; etl sync shop.items -v {closed}")

    assert (code, "Traceback" in err) == (0, False)
    lite.holds_the_truth("items")
    lite.is_sound()


@pytest.mark.parametrize("command", ["etl sync shop.items --json", "etl query 'SELECT * FROM shop_items' -o csv"])
def test_a_result_that_cannot_be_written_is_told(lite: Project, command: str) -> None:
    """A full disk behind stdout: exit 2 with the cause and no traceback; the rows are stored."""
    lite.prepare("sync", "shop.items")

    code, _, err = shell(lite, f": ; {command} >/dev/full")

    assert code == 2
    assert "the result cannot be written to stdout" in err
    assert "No space left on device" in err
    assert "Traceback" not in err
    lite.holds_the_truth("items")


def test_serve_refuses_a_wrong_configuration_before_it_starts(lite: Project) -> None:
    """Exit 2 with the place, and no database: a daemon that starts with half of it would be worse."""
    lite.configure(SHOP.replace("records: items", "recrods: items"))

    done = lite.etl("serve")

    assert done.code == 2
    assert "streams.items.recrods" in done.err
    assert lite.rows("SELECT 1 FROM _etl_runs") == []


def test_a_sync_gets_along_with_few_file_descriptors(lite: Project) -> None:
    """24 are fewer than the requests it would like to have in flight: it asks for fewer at once."""
    lite.slow(0.05)
    lite.configure(SHOP.replace("retries: 1", "retries: 8"))

    code, _, err = shell(lite, "ulimit -n 24; etl sync shop.items")

    assert code == 0, err
    assert "(files, try 1)" in err
    lite.holds_the_truth("items")
