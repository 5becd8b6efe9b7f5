"""The model of the API's data: every row with all its versions, and what changes them."""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
FUTURE = "2999-01-01T00:00:00Z"
Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a key was from `at` on (seconds of the world's time); `item` is None while there is no such row."""

    key: int
    at: float
    item: Item | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What may happen to a list: what its stream declares has to be true, or every claim would be void.

    `late_s` is how long a commit may stay unseen after its stamp, `skew_s` how far the stamps' clock may be off;
    `fraction` stamps in microseconds instead of whole seconds.
    """

    tail_only: bool = False
    stamped: bool = True
    late_s: float = 0.0
    skew_s: float = 0.0
    fraction: bool = False
    future: bool = True
    nulls: bool = True
    bad: bool = True
    removes: bool = True


@dataclass
class Collection:
    """The rows as they are, and as they were."""

    rng: random.Random
    nature: Nature
    now: Callable[[], float]
    rows: dict[int, Item] = field(default_factory=dict)
    history: dict[int, list[Version]] = field(default_factory=dict)
    late: list[tuple[float, int, Item]] = field(default_factory=list)
    fleeting: list[int] = field(default_factory=list)
    last: int = 0
    changes: int = 0
    made: int = 0
    skew_s: float = 0.0

    # what tests ask

    def versions(self, key: int) -> list[Version]:
        return self.history.get(key, [])

    def version_of(self, key: int, number: int) -> Version | None:
        """The version of a key with that `v`."""
        return next((each for each in self.versions(key) if each.item is not None and each.item["v"] == number), None)

    def over(self, key: int, begin: float, end: float) -> list[Item | None]:
        """Every state a key was in during `[begin, end]`."""
        states: list[Item | None] = [None]
        for version in self.versions(key):
            if version.at <= begin:
                states = [version.item]
            elif version.at <= end:
                states.append(version.item)
        return states

    def until(self, key: int, version: Version) -> float:
        """When a version was replaced."""
        versions = self.versions(key)
        place = versions.index(version) + 1
        return versions[place].at if place < len(versions) else float("inf")

    # what changes them

    def fill(self, count: int, age_s: float) -> None:
        """The first rows, even ids so that there is room in between, changed some time ago."""
        for number in range(1, count + 1):
            age = self.rng.uniform(0, age_s) if self.nature.stamped else 0.0
            self._set(2 * number, self._item(2 * number, self._stamp(-age)), at=-1.0)
        self.last = 2 * count

    def settle(self) -> None:
        """What was committed late is seen by now."""
        due = [each for each in self.late if each[0] <= self.now()]
        self.late = [each for each in self.late if each[0] > self.now()]
        for at, key, item in sorted(due, key=lambda each: each[0]):
            self._set(key, item, at=at)

    def finish(self, *, heal: bool) -> None:
        """Everything that was begun is seen, nothing lies in the future any more; `heal` mends what is spoilt."""
        for _, key, item in self.late:
            self._set(key, item)
        self.late = []
        for key in self.fleeting:
            self._remove(key)
        self.fleeting = []
        for key, item in list(self.rows.items()):
            if item["updated_at"] == FUTURE or (heal and item["amount"] == "many"):
                self.update(key)

    def mutate(self) -> None:
        """One change, drawn from what the nature of the list allows."""
        self.changes += 1
        while self.fleeting and self.rng.random() < 0.7:
            self._remove(self.fleeting.pop())
        self.rng.choice(list(self._possible()))()

    def mass_delete(self) -> None:
        """Nine of ten rows are gone at once."""
        for key in list(self.rows):
            if self.rng.random() < 0.9:
                self._remove(key)

    def _possible(self) -> Iterator[Callable[[], None]]:
        nature = self.nature
        for _ in range(4):
            yield self.append
            yield self.update_any
            if nature.removes:
                yield self.delete
        if not nature.tail_only:
            yield self.insert
            yield self.insert
            yield self.flash
            yield self.restore
        if nature.late_s:
            yield self.update_late
            yield self.update_late
        if nature.stamped:
            yield self.update_some
        if nature.future and nature.stamped:
            yield self.send_to_the_future
            yield self.bring_back
        if nature.bad:
            yield self.spoil

    def append(self) -> None:
        self.last += 2
        null = self.nature.nulls and self.rng.random() < 0.15
        self._set(self.last, self._item(self.last, None if null else self._stamp()))

    def insert(self) -> None:
        key = 2 * self.rng.randrange(max(self.last // 2, 1)) + 1
        if key not in self.rows:
            self._set(key, self._item(key, self._stamp()))

    def flash(self) -> None:
        """A row that comes, and is gone soon."""
        key = 2 * self.rng.randrange(max(self.last // 2, 1)) + 1
        if key not in self.rows:
            self._set(key, self._item(key, self._stamp()))
            self.fleeting.append(key)

    def restore(self) -> None:
        gone = [key for key in self.history if key not in self.rows and not any(key == one for _, one, _ in self.late)]
        if gone:
            key = self.rng.choice(gone)
            self._set(key, self._item(key, self._stamp()))

    def delete(self) -> None:
        if self.rows:
            self._remove(self.rng.choice(list(self.rows)))

    def update_any(self) -> None:
        if self.rows:
            self.update(self.rng.choice(list(self.rows)))

    def update(self, key: int) -> None:
        self._set(key, self._item(key, self._stamp()))

    def update_some(self) -> None:
        """Several rows in one transaction: one stamp."""
        stamp = self._stamp()
        for key in self.rng.sample(list(self.rows), min(4, len(self.rows))):
            self._set(key, self._item(key, stamp))

    def update_late(self) -> None:
        """Stamped now, seen later."""
        busy = {key for _, key, _ in self.late} | set(self.fleeting)
        free = [key for key in self.rows if key not in busy]
        if self.rng.random() < 0.4:
            self.last += 2
            key = self.last
        elif free:
            key = self.rng.choice(free)
        else:
            return
        due = self.now() + self.rng.uniform(0, self.nature.late_s)
        insort(self.late, (due, key, self._item(key, self._stamp())), key=lambda each: each[0])

    def send_to_the_future(self) -> None:
        if self.rows:
            key = self.rng.choice(list(self.rows))
            self._set(key, self._item(key, FUTURE))

    def bring_back(self) -> None:
        lost = [key for key, item in self.rows.items() if item["updated_at"] == FUTURE]
        if lost:
            self.update(self.rng.choice(lost))

    def spoil(self) -> None:
        """A value that does not fit its declared type."""
        if self.rows:
            key = self.rng.choice(list(self.rows))
            self._set(key, {**self._item(key, self._stamp()), "amount": "many"})

    def _item(self, key: int, stamp: str | None) -> Item:
        self.made += 1
        number = self.made
        return {
            "id": key,
            "v": number,
            "name": self.rng.choice(["ann", "bob", "ēve", "o'neil", ""]) + str(number % 97),
            "amount": self.rng.choice([None, 0, number, -(2**40)]),
            "rate": self.rng.choice([0.5, 1.25, -3.75]),
            "on": self.rng.choice([True, False]),
            "tags": self.rng.choice([[], ["a"], ["b", "c"]]),
            "updated_at": stamp,
        }

    def _stamp(self, offset_s: float = 0.0) -> str:
        at = EPOCH + timedelta(seconds=self.now() + self.skew_s + offset_s)
        if self.nature.fraction:
            return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")

    def _set(self, key: int, item: Item, at: float | None = None) -> None:
        if any(key == other for _, other, _ in self.late):  # a row is changed by one transaction at a time
            self.late = [each for each in self.late if each[1] != key]
        self.rows[key] = item
        self.history.setdefault(key, []).append(Version(key=key, at=self.now() if at is None else at, item=item))

    def _remove(self, key: int) -> None:
        self.late = [each for each in self.late if each[1] != key]
        if self.rows.pop(key, None) is not None:
            self.history[key].append(Version(key=key, at=self.now(), item=None))


def micros(stamp: str | None) -> int | None:
    """A stamp as the product keeps it, null as None."""
    if stamp is None:
        return None
    since = datetime.fromisoformat(stamp) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)
