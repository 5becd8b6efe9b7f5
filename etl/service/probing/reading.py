"""What the experiments know so far: the beginning of the list, and the answers it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.probe.draft import Draft, Evidence
from etl.probe.keys import fingerprint
from etl.probe.question import Question, Seen
from etl.probe.rows import Item
from etl.service.probing.lab import Lab, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An answer that began at the first row of the list, and the request that brought it."""

    question: Question
    seen: Seen
    rows: tuple[Item, ...]


class Reading:
    """One investigation. `known` are the rows from the beginning of the list on, `further` those seen elsewhere."""

    def __init__(self, lab: Lab, draft: Draft, first: Base) -> None:
        self.lab = lab
        self.draft = draft
        self.first = first
        self.bases = [first]
        self.known = first.rows
        self._index: dict[str, int] = {}
        self._further: dict[str, Item] = {}
        self.learn(first.rows)

    @property
    def count(self) -> int:
        """The rows of a page when nobody asks for a size."""
        return len(self.first.rows)

    @property
    def rows(self) -> tuple[Item, ...]:
        """All different rows seen so far."""
        return (*self.known, *self._further.values())

    def learn(self, rows: tuple[Item, ...]) -> None:
        """Take a longer beginning of the list; the same row twice in it keeps its first place."""
        if len(rows) >= len(self.known):
            self.known = rows
            self._index = {}
            for place, row in enumerate(rows):
                self._index.setdefault(fingerprint(row), place)

    def meet(self, rows: Sequence[Item]) -> None:
        """Take rows from anywhere in the list."""
        for row in rows:
            name = fingerprint(row)
            if name not in self._index:
                self._further[name] = row

    def place_of(self, row: Item) -> int | None:
        """Where in the beginning of the list a row stands."""
        return self._index.get(fingerprint(row))

    def rows_of(self, seen: Seen | Refused) -> tuple[Item, ...] | None:
        """The rows of another answer; None for a refusal, and where the answer has another shape."""
        return None if isinstance(seen, Refused) else self.draft.place.rows(seen.body)

    def say(self, about: str, text: str, note: str = "", *, sure: bool = True) -> None:
        """A line of evidence."""
        self.draft.evidence.append(Evidence(about=about, text=text, note=note, sure=sure))
