"""The shop behind the bundled API: three tables, and a clock whose rounds change them.

A round is a day. Everything a round does follows from the seed, so a test can tell what the second sync must find.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.model.instants import iso
from etl.testing.dataset import Dataset
from etl.testing.rows import OPENING, UNPARSABLE_TOTAL, Dice, Row, customer, item, order

_BAD_ORDERS_PER = 4133
_UPDATED_SHARE = 0.02
_INSERTED_SHARE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What one round did to one table, as ids in ascending order."""

    updated: tuple[int, ...]
    inserted: tuple[int, ...]
    deleted: tuple[int, ...] = ()


class ShopState:
    """Items, orders and customers; change them through `advance`, or row by row through the tables.

    One order in 4,133 has a `total` that is no number, so that a declared numeric column rejects it: 3 of 12,400.
    """

    def __init__(self, *, seed: int = 1, items: int = 1000, orders: int = 12_400, customers: int = 900) -> None:
        self.seed = seed
        self.round = 0
        self._kin: dict[object, list[int]] = {}
        self._kin_version = -1
        self.items = Dataset(item(seed, number) for number in range(1, items + 1))
        self.customers = Dataset(customer(seed, number) for number in range(1, customers + 1))
        self.orders = Dataset(
            (self._order(number, customers=customers) for number in range(1, orders + 1)), sorted_by="updated_at"
        )

    def orders_of(self, customer: int) -> list[int]:
        """Where a customer's orders stand in the list of all orders."""
        if self._kin_version != self.orders.version:
            self._kin = defaultdict(list)
            for place, row in enumerate(self.orders.rows()):
                self._kin[row["customer_id"]].append(place)
            self._kin_version = self.orders.version
        return self._kin.get(customer, [])

    @property
    def now(self) -> datetime:
        """The shop's own time: a fixed day in the past, one day later with each round."""
        return OPENING + timedelta(days=self.round)

    @property
    def version(self) -> int:
        """Grows with every change of any row."""
        return self.items.version + self.orders.version + self.customers.version

    @property
    def bad_orders(self) -> tuple[int, ...]:
        """The ids of the orders whose total is no number."""
        return tuple(sorted(n for n in self.orders.ids if self.orders.get(n)["total"] == UNPARSABLE_TOTAL))

    def advance(self, *, deletes: int = 0) -> dict[str, Changed]:
        """The next round: 2 % of each table updated, 0.5 % inserted, `deletes` rows of each taken out.

        Every changed row is dated within the last day of the round, at least an hour after the round before. From
        round 1 on orders have a `gift_note`, null for all that did not change. Bad orders stay as they are.
        """
        self.round += 1
        if self.round == 1:
            self.orders.widen("gift_note")
        return {name: self._change(name, deletes) for name in ("items", "orders", "customers")}

    def touch(self, table: str, number: int, **values: object) -> Row:
        """Change fields of one row and date it now; the row as it is afterwards."""
        dataset = self.table(table)
        row = dataset.get(number) | {"updated_at": iso(self.now)} | values
        dataset.put(row)
        return row

    def table(self, name: str) -> Dataset:
        """`items`, `orders` or `customers`; KeyError for anything else."""
        return {"items": self.items, "orders": self.orders, "customers": self.customers}[name]

    def truth(self, name: str) -> list[Row]:
        """Exactly the rows a complete reading of the table holds, in the order of its list."""
        return self.table(name).rows()

    def _order(self, number: int, *, customers: int, version: int = 0, updated_at: datetime | None = None) -> Row:
        row = order(self.seed, number, customers=customers, version=version, updated_at=updated_at)
        if number % _BAD_ORDERS_PER == 0:
            row["total"] = UNPARSABLE_TOTAL
        return row

    def _row(self, name: str, number: int, updated_at: datetime) -> Row:
        if name == "orders":
            row = self._order(number, customers=len(self.customers), version=self.round, updated_at=updated_at)
            gift = number % 3 == 0
            return row | {"gift_note": f"For you, round {self.round}" if gift else None}
        make = item if name == "items" else customer
        return make(self.seed, number, version=self.round, updated_at=updated_at)

    def _change(self, name: str, deletes: int) -> Changed:
        dataset = self.table(name)
        dice = Dice(self.seed, 21, self.round, len(name))
        ids = sorted(n for n in dataset.ids if name != "orders" or n % _BAD_ORDERS_PER)
        picked = _sample(dice, ids, round(len(ids) * _UPDATED_SHARE) + deletes)
        deleted, updated = tuple(sorted(picked[:deletes])), tuple(sorted(picked[deletes:]))
        first = dataset.highest_id + 1
        inserted = tuple(range(first, first + round(len(ids) * _INSERTED_SHARE)))
        for number in (*updated, *inserted):
            fresh = self._row(name, number, self._moment(dice))
            created = fresh["updated_at"] if number >= first else dataset.get(number)["created_at"]
            dataset.put(fresh | {"created_at": created})
        for number in deleted:
            dataset.remove(number)
        return Changed(updated=updated, inserted=inserted, deleted=deleted)

    def _moment(self, dice: Dice) -> datetime:
        return self.now - timedelta(seconds=dice.below(23 * 3600))


def _sample(dice: Dice, ids: list[int], count: int) -> list[int]:
    """`count` different ids in random order: a partial Fisher-Yates shuffle."""
    pool = list(ids)
    count = min(count, len(pool))
    for place in range(count):
        other = place + dice.below(len(pool) - place)
        pool[place], pool[other] = pool[other], pool[place]
    return pool[:count]
