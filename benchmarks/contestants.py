"""Who takes part: the floor, ours, and dlt in an environment of its own. Each is a command that loads the list."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CONFIG = """\
base_url: {api}
streams:
  items:
    path: /items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: {size}, total_pages: totalPages, total_rows: totalItems}}
    key: id
    flatten: 3
"""
"""The same columns as the floor's. `flatten` is more work than the default, which keeps objects as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be loaded, from where, into what. `latency_ms` is for those who have to choose a concurrency."""

    api: str
    database: str
    folder: Path
    pages: int
    size: int
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """`table` is where its rows are; `missing` tells why it cannot run here, empty when it can."""

    name: str
    command: Callable[[Task], Sequence[str]]
    table: str
    missing: Callable[[Path], str] = lambda _: ""


def floor(task: Task) -> Sequence[str]:
    """With as many connections as its author would choose, knowing the latency."""
    python = _environment(task.folder.parent, "ours") / "bin" / "python"
    return (
        str(python), str(HERE / "floor.py"), "--base-url", task.api, "--database", task.database,
        "--size", str(task.size), "--connections", "100" if task.latency_ms else "16",
    )  # fmt: skip


def ours(task: Task) -> Sequence[str]:
    """`etl sync`, with nothing set that concerns speed."""
    config = task.folder / "config"
    config.mkdir(exist_ok=True)
    (config / "bench.yaml").write_text(CONFIG.format(api=task.api, size=task.size))
    etl = _environment(task.folder.parent, "ours") / "bin" / "etl"
    return (str(etl), "sync", "--config", str(config), "--database", task.database)


def dlt(mode: str) -> Callable[[Task], Sequence[str]]:
    """The script of that mode under dlt's own interpreter."""

    def command(task: Task) -> Sequence[str]:
        return (
            str(_environment(task.folder.parent, "dlt") / "bin" / "python"), str(HERE / "peer_dlt.py"), "--mode", mode,
            "--base-url", task.api, "--database", task.database, "--size", str(task.size),
            "--folder", str(task.folder / "dlt"),
        )  # fmt: skip

    return command


def _environment(work: Path, name: str) -> Path:
    return work / f"venv-{name}"


@cache
def _ours_missing(work: Path) -> str:
    """Install this checkout as a user would, anew for each run; the floor uses what comes with it."""
    print("installing everypage into an environment of its own ...", flush=True)
    root = HERE.parent
    return _installed(_environment(work, "ours"), "-c", str(root / "constraints.txt"), f"{root}[postgres]")


def _dlt_missing(work: Path) -> str:
    """Make the environment of dlt once; the reason when that fails."""
    environment = _environment(work, "dlt")
    done = environment / ".done"
    if done.exists():
        return ""
    print("installing dlt into an environment of its own ...", flush=True)
    failed = _installed(environment, "dlt[sqlalchemy,postgres]", "pyarrow", "requests", "orjson")
    if not failed:
        done.touch()
    return failed


def _installed(environment: Path, *what: str) -> str:
    """Make an environment and install into it; the last line of the complaint when that fails."""
    pip = (str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    for command in ((sys.executable, "-m", "venv", "--clear", str(environment)), (*pip, *what)):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            return f"{environment.name} cannot be made: {ended.stderr.strip().splitlines()[-1:]}"
    return ""


CONTESTANTS = {
    each.name: each
    for each in (
        Contestant(name="floor", command=floor, table="items", missing=_ours_missing),
        Contestant(name="ours", command=ours, table="bench_items", missing=_ours_missing),
        Contestant(name="dlt", command=dlt("default"), table="items", missing=_dlt_missing),
        Contestant(name="dlt-expert", command=dlt("expert"), table="items", missing=_dlt_missing),
    )
}
