"""Names of columns: the API's own names where a database can hold them, a name with a hash of the path where not.

A table remembers the path of each of its columns, so a name is chosen once and never again. The suffix comes from the
path alone: two processes that meet the same field choose the same name.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Final

import msgspec

EXTRA: Final = "_extra"
"""The JSON column for the fields beyond `MAX_COLUMNS`."""
MAX_COLUMNS: Final = 1_500
"""PostgreSQL stops at 1,600 columns, SQLite at 2,000; the private columns need room as well."""
_MAX_BYTES: Final = 63
_PRIVATE: Final = "_etl_"
# PostgreSQL's system columns: a table that has a column of such a name cannot be created there.
_SYSTEM: Final = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", EXTRA})


def column_name(path: tuple[str, ...], taken: Collection[str]) -> str:
    """The column for the value at `path`; `taken` holds the case-folded names that exist already.

    Names that differ only in case count as equal, because SQLite compares them so.
    """
    name = "__".join(path)
    folded = name.casefold()
    if _is_legal(name) and folded not in taken:
        return name
    suffix = "_" + blake2b(msgspec.json.encode(path), digest_size=4).hexdigest()
    stem = name.replace("\0", "")
    if folded.startswith(_PRIVATE):
        stem = "x" + stem
    return stem.encode()[: _MAX_BYTES - len(suffix)].decode(errors="ignore") + suffix


def is_compilable(name: str) -> bool:
    """Whether msgspec takes it as the name of a Struct's field: no quote, backslash or control character."""
    return not any(character in '"\\' or character < " " for character in name)


def _is_legal(name: str) -> bool:
    folded = name.casefold()
    return (
        bool(name)
        and "\0" not in name
        and len(name.encode()) <= _MAX_BYTES
        and not folded.startswith(_PRIVATE)
        and folded not in _SYSTEM
    )
