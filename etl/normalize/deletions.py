"""Which items say of themselves that they are deleted: by a field of theirs, or by a condition over the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jmespath

from etl.model.page import Row
from etl.model.stream import DeletesKind, Stream
from etl.normalize.envelope import Document, evaluate, truthy
from etl.normalize.layout import Layout

_NOTHING: Final = frozenset({"{}", "[]", '""', "null"})
"""How a JSON column spells that there is nothing."""


class Deletions:
    """Looks at the rows of a page, or at their items, as `deletes` of the stream asks."""

    def __init__(self, stream: Stream) -> None:
        deletes = stream.deletes
        self._field = deletes.field if deletes.kind is DeletesKind.FIELD else None
        self._when: Any = jmespath.compile(deletes.when.path or "@") if deletes.when is not None else None

    @property
    def looks_at_items(self) -> bool:
        """Whether `of_items` has to be asked; it costs a generic decode of every item."""
        return self._when is not None

    def of_rows(self, rows: Sequence[Row], layout: Layout) -> frozenset[int]:
        """The indices of the rows whose field is true, or set."""
        place = None if self._field is None else layout.index.get(self._field)
        if place is None:
            return frozenset()
        return frozenset(n for n, row in enumerate(rows) if row[place] not in _NOTHING and truthy(row[place]))

    def of_items(self, items: Sequence[bytes]) -> frozenset[int]:
        """The indices of the items the condition holds for.

        Raises MalformedPage when it cannot be told of one.
        """
        if self._when is None:
            return frozenset()
        return frozenset(n for n, item in enumerate(items) if truthy(evaluate(self._when, Document(item))))
