"""The rows of the bundled shop: a pure function of seed, table, id and version, so that every test knows the data.

Awkward on purpose, as real APIs are: unicode that is easy to break, an integer beyond 2**53, decimals as text in one
table and as numbers in another, nulls, nested objects and lists. What would make a row unusable for everybody (a NUL,
half a surrogate) is left out; a test that wants one puts it in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from etl.model.instants import iso

Row = dict[str, object]
"""One JSON object as the API shows it."""

OPENING: Final = datetime(2025, 3, 1, tzinfo=UTC)
"""The shop's "now" in round 0: in the past of every real clock, so that no row is newer than the server's `Date`."""

HISTORY: Final = timedelta(days=400)
UNPARSABLE_TOTAL: Final = "n/a"

_MASK: Final = (1 << 64) - 1
_TITLES: Final = (
    "Teapot",
    "Lamp",
    "Field notebook",
    "Wool blanket",
    "Crème brûlée dish",
    "Stroopwafel tin",
    "Brass compass",
    "Espresso cup",
)
_AWKWARD: Final = (
    'Mug "1/2 pint" \\ blue',
    "Zoe\u0308's nai\u0308ve vase",
    "急須 (kyūsu)",
    "إبريق شاي",
    "Family set 👨‍👩‍👧‍👦",
    "Line\u2028separator, tab\tand <b>markup</b>",
    "Robert'); DROP TABLE items;--",
    "  spaces around  ",
)
_CITIES: Final = ("Lisbon", "Oslo", "Zürich", "Kraków", "Nairobi", "Quito", "Reykjavík", "Kyoto")
_NAMES: Final = ("Ada", "Grace", "Edsger", "Barbara", "Radia", "Søren", "Łukasz", "Noémie")
_TAGS: Final = ("new", "gift", "bulk", "fragile", "eco", "seasonal")
_ORDER_STATES: Final = ("paid",) * 22 + ("open",) * 6 + ("refunded",) * 2
_ITEM_STATES: Final = ("active", "active", "active", "draft", "retired")


class Dice:
    """Numbers drawn from one name: the same name gives the same numbers, on every machine and version of Python."""

    __slots__ = ("_bits",)

    def __init__(self, *name: int) -> None:
        bits = 0
        for part in name:
            bits = _mix(bits ^ part)
        self._bits = bits

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1."""
        self._bits = _mix(self._bits)
        return self._bits % bound

    def pick(self, choices: Sequence[str]) -> str:
        """One of the choices."""
        return choices[self.below(len(choices))]


def item(seed: int, number: int, *, version: int = 0, updated_at: datetime | None = None) -> Row:
    """An item of `/api/items`; `total` is a JSON number with two decimals."""
    dice = Dice(seed, 1, number)
    created, updated = _dates(dice, updated_at)
    change = Dice(seed, 11, number, version)
    return {
        "id": number,
        "title": _title(dice, number),
        "status": change.pick(_ITEM_STATES),
        "total": change.below(10_000_000) / 100,
        "quantity": change.below(1000),
        "active": dice.below(4) > 0,
        "barcode": 9_007_199_254_740_993 + number * 7,
        "created_at": created,
        "updated_at": updated,
        "address": _address(dice),
        "tags": _tags(dice),
        "note": None if dice.below(3) else f"Shelf {dice.below(90) + 10}",
        "rating": None if dice.below(5) == 0 else (dice.below(41) + 10) / 10,
    }


def order(seed: int, number: int, *, customers: int, version: int = 0, updated_at: datetime | None = None) -> Row:
    """An order of `/api/orders`; `total` is decimal text, so that no float rounds it on the way."""
    dice = Dice(seed, 2, number)
    created, updated = _dates(dice, updated_at)
    change = Dice(seed, 12, number, version)
    cents = change.below(26_000) + 199
    return {
        "id": number,
        "customer_id": dice.below(max(customers, 1)) + 1,
        "status": change.pick(_ORDER_STATES),
        "total": f"{cents // 100}.{cents % 100:02d}",
        "currency": "EUR",
        "express": dice.below(5) == 0,
        "created_at": created,
        "updated_at": updated,
        "address": _address(dice),
        "tags": _tags(dice),
        "note": None if dice.below(4) else f"Ring twice {dice.pick(('🔔', '🚪', '…'))}",
    }


def customer(seed: int, number: int, *, version: int = 0, updated_at: datetime | None = None) -> Row:
    """A customer of `/api/customers`."""
    dice = Dice(seed, 3, number)
    created, updated = _dates(dice, updated_at)
    return {
        "id": number,
        "name": f"{dice.pick(_NAMES)} {number}",
        "email": f"customer{number}@example.com" if dice.below(10) else None,
        "active": dice.below(8) > 0,
        "points": Dice(seed, 13, number, version).below(5000),
        "created_at": created,
        "updated_at": updated,
        "address": _address(dice),
    }


def _mix(number: int) -> int:
    """One step of splitmix64: well spread, and cheaper than seeding a generator for every row."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def _dates(dice: Dice, updated_at: datetime | None) -> tuple[str, str]:
    age_s = dice.below(int(HISTORY.total_seconds()) - 7200) + 7200
    created = OPENING - timedelta(seconds=age_s)
    updated = updated_at or created + timedelta(seconds=dice.below(age_s - 3600))
    return iso(created), iso(updated)


def _title(dice: Dice, number: int) -> str:
    return dice.pick(_AWKWARD) if number % 17 == 5 else f"{dice.pick(_TITLES)} {number}"


def _address(dice: Dice) -> Row:
    return {"city": dice.pick(_CITIES), "zip": f"{dice.below(100_000):05d}"}


def _tags(dice: Dice) -> list[str]:
    first = dice.below(len(_TAGS))
    return [_TAGS[(first + step) % len(_TAGS)] for step in range(dice.below(4))]
