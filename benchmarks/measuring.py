"""Runs one process and tells what it took. Keep this process small: a child's peak memory starts at its parent's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CALM: Mapping[str, str] = {"NO_COLOR": "1", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a process took, from its start to its end. `database_s` is the CPU of the PostgreSQL server meanwhile."""

    wall_s: float
    cpu_s: float
    database_s: float
    peak_mb: float
    requests: int
    peak_in_flight: int
    refused: int


class Failed(Exception):
    """The process did not end with 0; the end of what it said."""


def take(
    command: Sequence[str], folder: Path, api: str, *, environ: Mapping[str, str], server: int | None, limit_s: float
) -> Taken:
    """Run `command` in `folder` and measure it. Raises Failed, also when it takes longer than `limit_s`."""
    ask(f"{api}/reset")
    log, before = folder / "log.txt", database_cpu(server)
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **CALM, **environ},
            start_new_session=True,
        )  # fmt: skip
        watchdog = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"ended with {process.returncode}: {log.read_text(errors='replace')[-400:].strip()}")
    stats = ask(f"{api}/stats")
    return Taken(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        database_s=database_cpu(server) - before,
        peak_mb=usage.ru_maxrss / 1024,
        requests=stats["requests"],
        peak_in_flight=stats["peak_in_flight"],
        refused=stats["refused"],
    )


def database_cpu(server: int | None) -> float:
    """CPU seconds of a server and everything it started, ended or not."""
    if server is None:
        return 0.0
    total = 0.0
    root = psutil.Process(server)
    for process in (root, *root.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[: 4 if process == root else 2])
        except psutil.NoSuchProcess:
            continue
    return total


def ask(url: str) -> dict[str, Any]:
    """A JSON answer of the API."""
    with urllib.request.urlopen(url, timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
