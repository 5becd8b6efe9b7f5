"""The Link header (RFC 8288), read by its own grammar: a target may hold commas and semicolons, as matrix URLs do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^";,]*))?)*)')
_REL: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]+))', re.IGNORECASE)


def link_targets(header: str) -> Iterator[tuple[str, str]]:
    """Each relation, in lower case, with its target as it stands there; what is no link is left out.

    Only the first `rel` of a link counts (RFC 8288 3.3); it may name several relations.
    """
    for target, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        if rel is not None and target:
            for name in (rel[1] or rel[2] or "").lower().split():
                yield name, target
