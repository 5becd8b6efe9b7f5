"""What the format knows and this version cannot do: refused at its line instead of ignored.

A feature that arrives deletes its line here and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Feature:
    """A key that is refused, as a path from the map it may stand in; `harmless` values of it ask for nothing."""

    path: tuple[str, ...]
    instead: str = ""
    harmless: frozenset[object] = field(default_factory=frozenset)


UNSUPPORTED: Final = (
    Feature(("notify",), "watch the exit code"),
    Feature(("ping",), "ping from the unit or cron line that starts `etl sync`"),
    Feature(("raw",)),
)


def asked_for(data: Mapping[str, object]) -> Iterator[tuple[Feature, tuple[str, ...]]]:
    """The unsupported features that one map (of a source, a stream, or defaults) uses, each with its path."""
    for feature in UNSUPPORTED:
        found: object = data
        for key in feature.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        harmless = isinstance(found, str) and found in feature.harmless
        if found is not None and not harmless:
            yield feature, feature.path


def refusal(feature: Feature) -> str:
    """The message at its place."""
    return f"`{'.'.join(feature.path)}` is part of the format, but this version cannot do it yet"
