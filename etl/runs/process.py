"""Who this process is, and whether another one on this machine still lives.

Easy to get wrong: pids are used again, and a pid seen from another container means nothing here. So a process is named
by boot, pid namespace and start time.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`started` is `boot/namespace/start time`; empty parts are unknown."""

    host: str
    pid: int
    started: str


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(round(psutil.boot_time()))


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """When the process began, in a form that compares equal while it lives; None when there is none.

    On Linux in ticks since boot: the wall-clock time is derived from the boot's, and moves when the clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            return stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
        return f"{process.create_time():.2f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    except psutil.AccessDenied:
        return ""


def this_process() -> Process:
    """The calling process."""
    pid = os.getpid()
    return Process(host=socket.gethostname(), pid=pid, started=f"{_boot()}/{_namespace()}/{_start_time(pid)}")


def is_dead(other: Process) -> bool:
    """True only when it is certain: it ran on this host, and its boot is over or its pid is gone or another's."""
    here = this_process()
    if other.host != here.host:
        return False
    boot, namespace, started = [*other.started.split("/"), "", ""][:3]
    if boot != _boot():
        return True
    if namespace != _namespace():
        return False
    now = _start_time(other.pid)
    return now is None or now not in ("", started)
