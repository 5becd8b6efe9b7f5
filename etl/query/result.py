"""The answer to a query, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


def _nothing() -> None:
    """An answer that is complete has nothing to stop."""


@dataclass(slots=True, kw_only=True)
class Result:
    """`rows` can be read once, while the query is open; reading them may raise UsageError or DatabaseRefused.

    `was_cut` is True, once all rows are read, when `limit` left some out.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    computed: frozenset[int] = frozenset()
    """Places of columns that are no table's own: their decimals are results, and have no form that is stored."""
    was_cut: bool = False
    cancel: Callable[[], None] = _nothing
    """Stops the statement from another thread; reading the rows then raises."""

    def distinct_columns(self) -> tuple[str, ...]:
        """The names with a number after those that came before: `id`, `id_2`."""
        names: list[str] = []
        for column in self.columns:
            name, number = column, 1
            while name in names:
                number += 1
                name = f"{column}_{number}"
            names.append(name)
        return tuple(names)
