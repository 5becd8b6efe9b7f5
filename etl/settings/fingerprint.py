"""A stable hash of everything that decides which rows are asked for, and how they land.

Runs with different fingerprints never complete each other's reading. Secrets stay out of it (a rotated token asks for
the same rows, and a hash of a secret in the database could be guessed at); the address is in, filled, because the same
file may point to another tenant tomorrow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

_KEYS: Final = (
    "method",
    "params",
    "headers",
    "json",
    "form",
    "records",
    "pages",
    "key",
    "write",
    "table",
    "columns",
    "flatten",
    "add",
    "incremental",
    "contract",
    "deletes",
    "order",
    "hooks",
)


def fingerprint(base_url: str, path: str, headers: Mapping[str, object], written: Mapping[str, object]) -> str:
    """32 hex digits. `base_url` and `path` are filled; `headers` are the source's and, like `written`, are not."""
    decisive = {key: written[key] for key in _KEYS if key in written}
    content = json.dumps([base_url, path, dict(headers), decisive], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
