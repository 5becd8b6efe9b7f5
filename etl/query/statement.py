"""Reads a statement just far enough: where it ends, and which `:names` it has outside texts and comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.errors import UsageError

_PIECE = re.compile(
    r"""
      (?P<text>  (?<![A-Za-z0-9_])[eE]'(?:[^'\\]|\\.|'')*'   # C-style text of PostgreSQL
               | '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<dollar>(?<![A-Za-z0-9_$])\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)\$ | (?<![A-Za-z0-9_$])\$\$.*?\$\$ )
    | (?P<line>  --[^\n]* )
    | (?P<block> /\* )
    | (?P<cast>  ::+ )
    | (?P<name>  :(?P<word>[A-Za-z_]\w*) )
    | (?P<end>   ; )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement without its final semicolon. `parts` alternate: text, name, text, name, ... text."""

    parts: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(self.parts[1::2])

    @property
    def text(self) -> str:
        """As written, with `:name`."""
        return "".join(f":{part}" if odd else part for odd, part in _numbered(self.parts))

    @property
    def pyformat(self) -> str:
        """With `%(name)s`, for psycopg; a `%` of the statement is doubled."""
        return "".join(f"%({part})s" if odd else part.replace("%", "%%") for odd, part in _numbered(self.parts))


def _numbered(parts: tuple[str, ...]) -> list[tuple[bool, str]]:
    return [(index % 2 == 1, part) for index, part in enumerate(parts)]


def read_statement(sql: str) -> Statement:
    """Raises UsageError for an empty text, and for more than one statement."""
    parts: list[str] = []
    begin = at = 0
    ended: int | None = None
    while (found := _PIECE.search(sql, at)) is not None:
        at = found.end()
        if found["block"]:
            at = _after_comment(sql, found.start())
        elif found["end"]:
            ended = found.start() if ended is None else ended
            if _has_code(sql[at:]):
                raise UsageError("one statement at a time", why="there is more after the first `;`")
            break
        elif found["word"]:
            parts += [sql[begin : found.start()], found["word"]]
            begin = at
    rest = sql[begin : len(sql) if ended is None else ended]
    statement = Statement(parts=(*parts, rest))
    if not _has_code(statement.text):
        raise UsageError("there is no statement", hint='etl query "select * from etl_runs"')
    return statement


def _has_code(sql: str) -> bool:
    """Whether anything but spaces, semicolons and comments is left."""
    at = 0
    while at < len(sql):
        if sql.startswith("--", at):
            newline = sql.find("\n", at)
            at = len(sql) if newline < 0 else newline
        elif sql.startswith("/*", at):
            at = _after_comment(sql, at)
        elif sql[at].isspace() or sql[at] == ";":
            at += 1
        else:
            return True
    return False


def _after_comment(sql: str, start: int) -> int:
    """Where the block comment ends; a nested one, which only PostgreSQL knows, is skipped to the first `*/`.

    Reading more of a text as code than the database does can refuse a statement, and never let one pass.
    """
    end = sql.find("*/", start + 2)
    return len(sql) if end < 0 else end + 2
