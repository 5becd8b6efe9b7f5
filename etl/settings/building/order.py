"""What a list is sorted by: `order`, or one of the two short ways to say the usual orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etl.model.stream import Order
from etl.settings.building.desk import Texts
from etl.settings.document import Path
from etl.settings.format.order import OrderPart
from etl.settings.format.pages import PagesPart
from etl.settings.format.stream import StreamPart

_BY_KEY: Final[Path] = ("pages", "ordered")
_BY_CHANGE: Final[Path] = ("incremental", "ordered")


def build_order(part: StreamPart, texts: Texts) -> Order | None:
    """None where nothing is said, which means the weakest."""
    short = list(_short_ways(part))
    if len(short) + (part.order is not None) > 1:
        texts.problem(short[-1], "the list is sorted one way; its order is told twice", at_key=True)
        return None
    if part.order is not None:
        return _written(part.order, texts)
    if short == [_BY_KEY]:
        return _by_key(part, texts)
    if short == [_BY_CHANGE]:
        return _by_change(part, texts)
    return None


def _short_ways(part: StreamPart) -> Iterator[Path]:
    if part.incremental is not None and part.incremental.ordered:
        yield _BY_CHANGE
    if isinstance(part.pages, PagesPart) and part.pages.ordered:
        yield _BY_KEY


def _by_key(part: StreamPart, texts: Texts) -> Order | None:
    """No two rows share a key, and a row whose key changed is another row."""
    if part.key is None:
        texts.problem(_BY_KEY, "the list is sorted by the `key`, and there is none", at_key=True)
        return None
    return Order(by=fields(part.key), unique=True, immutable=True)


def _by_change(part: StreamPart, texts: Texts) -> Order | None:
    field = part.incremental.field if part.incremental is not None else None
    if field is None:
        texts.problem(_BY_CHANGE, "the list is sorted by the `field`, and there is none", at_key=True)
        return None
    return Order(by=(field,))


def _written(part: OrderPart, texts: Texts) -> Order | None:
    if part.by is None:
        texts.problem(("order",), "needs `by`: the field the list is sorted by", at_key=True)
        return None
    return Order(
        by=fields(part.by),
        descending=part.direction == "desc",
        immutable=bool(part.immutable),
        unique=bool(part.unique),
        append_only=bool(part.append_only),
        binary_collation=part.collation == "binary",
    )


def fields(written: tuple[str, ...] | list[tuple[str, ...]] | None) -> tuple[tuple[str, ...], ...]:
    """One field or several, as the format has them."""
    if written is None:
        return ()
    return tuple(written) if isinstance(written, list) else (written,)
