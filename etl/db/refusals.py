"""Translation of what drivers and SQLAlchemy raise into `DatabaseRefused`, with a cause and a way out.

Both families have to be known: raw driver calls inside a SQLAlchemy transaction bypass its wrapping. Messages never
quote parameters (rows are private) nor the URL with its password.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from etl.errors import DatabaseRefused

SAFE = "what was committed before is stored; the last transaction is not"
_STORED = "what was committed before is stored"


class ConnectionLost(DatabaseRefused):
    """The server went away before the transaction was asked to commit: nothing of it is stored."""


class CommitUnknown(DatabaseRefused):
    """The server went away while it was committing: the transaction is stored, or it is not."""


@dataclass(frozen=True, slots=True)
class _Cause:
    what: str
    hint: str


_LOST_COLUMN = _Cause(
    "has lost a column that somebody dropped or renamed",
    "add it back with its old name; `columns: {NAME: drop}` leaves it empty from then on",
)
_LOCKED = _Cause(
    "is locked by another process",
    "close the program that writes to it, then run again. A suspended run keeps its lock: `etl check` names it",
)
_SQLITE = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": _Cause("could not grow: the disk is full", "free some space, then run again"),
    "SQLITE_READONLY": _Cause("is read-only", "give this user write access to the file and its folder"),
    "SQLITE_NOTADB": _Cause("is not a SQLite database", "name another file; this one was not touched"),
    "SQLITE_CORRUPT": _Cause("is damaged", "restore it from a backup; `PRAGMA integrity_check` tells more"),
    "SQLITE_CANTOPEN": _Cause("cannot be opened", "check the path, and that this user may write to its folder"),
    "SQLITE_PERM": _Cause("may not be accessed", "give this user access to the file and its folder"),
    "SQLITE_AUTH": _Cause("may not be accessed", "give this user access to the file and its folder"),
    "SQLITE_IOERR": _Cause("could not be read or written", "check the disk, then run again"),
}

_POSTGRES = {
    "0A000": _Cause(
        "cannot change the table", "drop the view or rule that stands on it, run again, and make it anew afterwards"
    ),
    "25006": _Cause("is read-only", "name the primary server, or make the database writable"),
    "28": _Cause("refused the login", "check user and password in the database URL"),
    "3D": _Cause("does not exist", "create it (`createdb`), or name another one"),
    "40": _Cause("could not serialize the transaction", "run again; another writer was in the way"),
    "42703": _LOST_COLUMN,
    "42501": _Cause("denied the permission", "grant this user the right to create and write tables"),
    "53100": _Cause("could not grow: the disk is full", "free some space on the server, then run again"),
    "53": _Cause("is out of resources", "raise its limits (connections, memory), or close other clients"),
    "54": _Cause("cannot hold such a row", "leave fields out with `columns: {NAME: drop}`, or keep objects as JSON"),
    "55P03": _Cause("is locked by another session", "end the session that holds the table, then run again"),
    "57014": _Cause("cancelled the statement", "raise `statement_timeout`, or see who cancelled it"),
    "57": _Cause("is shutting down or starting", "run again when the server is up"),
    "08": _Cause("is gone: the connection was lost", "run again when the server is reachable"),
}


_UNREACHED = _Cause("cannot be reached", "check host, user and password in the URL, and that the server is up")
_NO_CONNECTION = ("connection failed", "connection is bad", "connection timeout", "failed to resolve host")
_CONNECTING = (
    (re.compile("resolve host"), _Cause("cannot be reached", "is the host name in the database URL right?")),
    (re.compile("Connection refused"), _Cause("cannot be reached", "is the server up, and is the port right?")),
    (re.compile(r'database ".*" does not exist'), _POSTGRES["3D"]),
    (re.compile(r'password|role "|pg_hba\.conf'), _POSTGRES["28"]),
    (re.compile(""), _UNREACHED),
)
"""By the driver's text, in the order to look: where no connection came about the error has no code."""


def origin(error: BaseException) -> BaseException:
    """The driver's own error under SQLAlchemy's wrapping."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five-letter code, empty where the error has none."""
    return str(getattr(origin(error), "sqlstate", None) or "")


def is_driver_error(error: BaseException) -> bool:
    """Whether an exception comes from a driver, from SQLAlchemy on its behalf, or from the connection pool."""
    raw = origin(error)
    return isinstance(raw, sqlite3.Error | PoolTimeout) or type(raw).__module__.partition(".")[0] == "psycopg"


def is_conflict(error: BaseException) -> bool:
    """A deadlock or a failed serialization: the same transaction may succeed when it is repeated."""
    return sqlstate(error) in ("40001", "40P01")


def is_lost(error: BaseException) -> bool:
    """Whether the connection died under the statement. Only PostgreSQL has that."""
    raw = origin(error)
    if type(raw).__module__.partition(".")[0] != "psycopg":
        return False
    state = sqlstate(raw)
    if state:
        return state.startswith(("08", "57P"))
    return type(raw).__name__ == "OperationalError"


def refused(error: BaseException, label: str, *, committing: bool = False) -> DatabaseRefused:
    """The `DatabaseRefused` that stands for a driver error; `label` names the database without its password."""
    why = _text(origin(error))
    if is_lost(error):
        kind = CommitUnknown if committing else ConnectionLost
        if why.startswith(_NO_CONNECTION):
            cause = next(cause for sign, cause in _CONNECTING if sign.search(why))
            return kind(f"{label} {cause.what}", why=why, hint=cause.hint, data=_STORED)
        cause = _POSTGRES["57" if sqlstate(error).startswith("57") else "08"]
        return kind(f"{label} {cause.what}", why=why, hint=cause.hint, data=SAFE)
    if isinstance(error, PoolTimeout):
        return DatabaseRefused(f"{label} has no free connection", why=why, hint="run fewer streams at once", data=SAFE)
    cause = _cause(origin(error))
    return DatabaseRefused(f"{label} {cause.what}", why=why, hint=cause.hint, data=SAFE)


def _cause(raw: BaseException) -> _Cause:
    name = str(getattr(raw, "sqlite_errorname", None) or "")
    if name:
        for prefix, cause in _SQLITE.items():
            if name.startswith(prefix):
                return cause
        if "has no column named" in str(raw):  # told by its text alone
            return _LOST_COLUMN
    state = sqlstate(raw)
    for length in (5, 2):
        if state[:length] in _POSTGRES:
            return _POSTGRES[state[:length]]
    return _Cause("refused a statement", "")


def _text(raw: BaseException) -> str:
    return " ".join(str(raw).split())[:400] or type(raw).__name__
