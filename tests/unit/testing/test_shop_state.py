"""The shop's data: deterministic, awkward, and changed by a clock whose every round is known beforehand."""

from __future__ import annotations

import pytest

from etl.testing import ShopState
from etl.testing.rows import customer, item, order


def small(**sizes: int) -> ShopState:
    return ShopState(**({"items": 40, "orders": 400, "customers": 20} | sizes))


def test_the_same_seed_gives_the_same_rows() -> None:
    """Two shops of one seed are equal after any number of rounds, and differ from those of another seed."""
    one, two, other = small(seed=3), small(seed=3), small(seed=4)

    one.advance(deletes=2)
    two.advance(deletes=2)

    assert one.truth("orders") == two.truth("orders")
    assert one.truth("items") != other.truth("items")


def test_an_item_is_known_by_heart() -> None:
    """The generator never changes between releases: tests of users stand on its literal output."""
    row = item(1, 1)

    assert row == {
        "id": 1,
        "title": "Espresso cup 1",
        "status": "active",
        "total": 27873.3,
        "quantity": 826,
        "active": True,
        "barcode": 9007199254741000,
        "created_at": "2024-12-03T14:08:24Z",
        "updated_at": "2025-01-21T22:21:28Z",
        "address": {"city": "Lisbon", "zip": "00934"},
        "tags": ["gift", "bulk", "fragile"],
        "note": None,
        "rating": 2.0,
    }


def test_rows_are_awkward_in_the_ways_real_ones_are() -> None:
    """Unicode beyond the basic plane, integers beyond 2**53, nulls, and decimals as text."""
    items = [item(1, number) for number in range(1, 200)]
    orders = [order(1, number, customers=5) for number in range(1, 200)]

    assert any(ord(letter) > 0xFFFF for row in items for letter in str(row["title"]))
    assert all(int(str(row["barcode"])) > 2**53 for row in items)
    assert {row["note"] is None for row in items} == {True, False}
    assert all(isinstance(row["total"], str) and row["total"][-3] == "." for row in orders)
    assert {customer(1, number)["email"] is None for number in range(1, 100)} == {True, False}


def test_three_orders_of_the_demo_have_a_total_that_is_no_number() -> None:
    """12,400 orders hold three that a declared numeric column rejects; no round mends them."""
    shop = ShopState(items=0, customers=1)

    shop.advance()

    assert shop.bad_orders == (4133, 8266, 12399)


def test_a_round_updates_two_percent_and_inserts_half_a_percent() -> None:
    """400 orders: 8 updated, 2 inserted, none deleted unless asked for."""
    shop = small()

    changed = shop.advance()["orders"]

    assert (len(changed.updated), changed.inserted, changed.deleted) == (8, (401, 402), ())
    assert len(shop.orders) == 402


def test_a_round_changes_exactly_the_rows_it_names() -> None:
    """Rows outside the round's list are the same as before, but for the new column, which is null."""
    shop = small()
    before = {row["id"]: row for row in shop.truth("orders")}

    changed = shop.advance(deletes=3)["orders"]

    after = {row["id"]: row for row in shop.truth("orders")}
    touched = {*changed.updated, *changed.inserted, *changed.deleted}
    assert {n for n in after if n not in touched and after[n] != before[n] | {"gift_note": None}} == set()
    assert all(after[n]["updated_at"] > "2025-03-01" > before[n]["updated_at"] for n in changed.updated)
    assert not set(changed.deleted) & set(after)


def test_a_changed_row_keeps_the_day_it_was_made() -> None:
    """`created_at` never moves: an order by it is immutable."""
    shop = small()
    before = {row["id"]: row["created_at"] for row in shop.truth("orders")}

    changed = shop.advance()["orders"]

    assert [shop.orders.get(n)["created_at"] for n in changed.updated] == [before[n] for n in changed.updated]


def test_every_round_is_newer_than_all_rounds_before() -> None:
    """What one round changed has a later `updated_at` than anything before it, so a watermark never skips it."""
    shop = small()
    newest = max(str(row["updated_at"]) for row in shop.truth("orders"))

    for _ in range(3):
        changed = shop.advance()["orders"]
        fresh = [str(shop.orders.get(n)["updated_at"]) for n in (*changed.updated, *changed.inserted)]
        assert min(fresh) > newest
        newest = max(fresh)


def test_the_new_column_appears_in_round_one() -> None:
    """`gift_note` is missing in round 0; afterwards every order has it, mostly null."""
    shop = small()
    assert not any("gift_note" in row for row in shop.truth("orders"))

    shop.advance()

    notes = [row["gift_note"] for row in shop.truth("orders")]
    assert len(notes) == 402
    assert set(notes) == {None, "For you, round 1"}


def test_orders_stand_by_update_and_id() -> None:
    """A touched order moves to the end of its list."""
    shop = small()
    first = shop.orders.ids[0]

    shop.touch("orders", first, status="refunded")

    assert shop.orders.ids[-1] == first
    assert shop.truth("orders")[-1]["status"] == "refunded"
    keys = [(row["updated_at"], row["id"]) for row in shop.truth("orders")]
    assert keys == sorted(keys)


def test_an_id_is_never_given_twice() -> None:
    """After the newest row was deleted the next insert takes a fresh id."""
    shop = small()
    shop.items.remove(40)

    shop.items.put(item(1, shop.items.highest_id + 1))

    assert shop.items.ids[-2:] == [39, 41]


def test_truth_is_a_copy() -> None:
    """A test that changes what it was given does not change the shop."""
    shop = small()

    shop.truth("items")[0]["address"]["city"] = "Nowhere"  # type: ignore[index]

    assert shop.items.get(1)["address"] != {"city": "Nowhere"}
    assert "Nowhere" not in str(shop.truth("items"))


def test_more_deletes_than_rows_empty_the_table() -> None:
    """The clock takes what there is, and does not fail."""
    shop = small(items=3)

    changed = shop.advance(deletes=10)["items"]

    assert changed.deleted == (1, 2, 3)
    assert len(shop.items) == 0


def test_an_unknown_table_is_an_error() -> None:
    """A misspelt name does not give an empty truth."""
    with pytest.raises(KeyError):
        small().truth("invoices")
