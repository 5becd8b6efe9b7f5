"""What the functions in `config/hooks.py` are given and give back.

A hook is plain Python for what YAML cannot say: signing a request in a way of the API's own, or mending an item before
it becomes a row. It must not wait for anything: it runs between two requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

Item = dict[str, Any]
"""One item of a page, as JSON: whole numbers are exact, fractions are `decimal.Decimal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is about to be sent: the URL with its query, all headers, the body (empty without one)."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    def with_header(self, name: str, value: str) -> Request:
        """The same with this header, in place of one of that name."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


class Sign(Protocol):
    """`auth: {hook: NAME, given: {...}}`. `given` holds the values of the YAML file, variables filled.

    Called for every try of every request to the source's own origin; what it returns is sent, and must stay there.
    """

    def __call__(self, request: Request, given: Mapping[str, str], /) -> Request: ...


class MendItem(Protocol):
    """`hooks: {item: NAME}`. Called for every item; what it returns is stored. Raising makes the item a reject."""

    def __call__(self, item: Item, /) -> Item: ...
