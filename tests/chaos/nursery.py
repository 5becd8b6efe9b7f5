"""Runs `etl` commands in forked children, one at a time, with a saboteur at their storage calls.

A process of its own without threads, so that forking is safe; everything is imported once, which makes a case cheap
enough to try every storage call of a run. Reads one JSON object a line, answers with one.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sqlite3
import struct
import sys
from pathlib import Path
from threading import Lock
from typing import Any

from etl.entrypoints.cli.process import run

QUIET = ("SELECT", "ROLLBACK", "PRAGMA SYNCHRONOUS", "PRAGMA TABLE", "PRAGMA JOURNAL_MODE;", "PRAGMA READ")


class Saboteur:
    """Counts the calls that change the database, and strikes at the `at`th: `kill` before or after it, or an error.

    `full` refuses every call from there on, as a full disk does; `eio` refuses that one.
    """

    def __init__(self, at: int, how: str, tally: mmap.mmap) -> None:
        self.at = at
        self.how = how
        self.count = 0
        self.tally = tally
        self.lock = Lock()

    def step(self) -> int:
        with self.lock:
            self.count += 1
            self.tally[:8] = struct.pack("q", self.count)
            return self.count

    def around(self, statement: str, call: Any, *arguments: Any) -> Any:
        if statement.lstrip().upper().startswith(QUIET):
            return call(*arguments)
        number = self.step()
        if number == self.at and self.how == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.at and self.how == "eio":
            raise failure("disk I/O error", "SQLITE_IOERR_WRITE", sqlite3.SQLITE_IOERR_WRITE)
        if self.at and number >= self.at and self.how == "full":
            raise failure("database or disk is full", "SQLITE_FULL", sqlite3.SQLITE_FULL)
        result = call(*arguments)
        if number == self.at and self.how == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def move_in(self) -> None:
        """From now on every connection of this process is watched."""
        around = self.around

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, *rest: Any) -> Any:
                return around(sql, super().execute, sql, *rest)

            def executemany(self, sql: str, *rest: Any) -> Any:
                return around(sql, super().executemany, sql, *rest)

        class Connection(sqlite3.Connection):
            def cursor(self, factory: Any = Cursor) -> Any:
                return super().cursor(factory)

            def execute(self, sql: str, *rest: Any) -> Any:
                return self.cursor().execute(sql, *rest)

            def commit(self) -> None:
                if self.in_transaction:
                    around("COMMIT", super().commit)

        plain = sqlite3.connect

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return plain(*arguments, **{"factory": Connection, **options})

        sqlite3.connect = connect


def failure(text: str, name: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname, error.sqlite_errorcode = name, code
    return error


def child(order: dict[str, Any], tally: mmap.mmap) -> int:
    os.chdir(order["folder"])
    for number, name in ((1, "out"), (2, "err")):
        target = os.open(Path(order["folder"], name), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(target, number)
    os.environ.update(order["environ"])
    Saboteur(order["at"], order["how"], tally).move_in()
    return run(order["arguments"])


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        tally = mmap.mmap(-1, 8)
        pid = os.fork()
        if not pid:
            code = 70
            try:
                code = child(order, tally)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        (steps,) = struct.unpack("q", tally[:8])
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "steps": steps}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
