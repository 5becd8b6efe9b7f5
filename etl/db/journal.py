"""What the run room adds to a transaction of the loader: the token check at its start, the ledger at its end.

It stands here because load and runs are siblings: load calls it, runs implements it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from etl.model.page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A page with what its rows did to the table; the three counts add up to the page's rows.

    A row that came several times in one batch counts where its newest version came, and as `unchanged` elsewhere.
    """

    page: Page
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


class Journal(Protocol):
    """The ledger of one stream of one run. Every method works inside the transaction it is given and ends none."""

    async def check(self, connection: AsyncConnection) -> None:
        """The first statement of a transaction that writes the stream. Raises LeaseLost when the token is outdated.

        It must execute a SQLAlchemy statement: that is what opens the transaction before raw driver calls.
        """

    async def record(self, connection: AsyncConnection, lines: Sequence[Line]) -> None:
        """Write the ledger lines of pages, their failed tries and their rejects."""

    async def committed(self, connection: AsyncConnection, lines: Sequence[Line]) -> set[int]:
        """The indices of those `lines` whose page already has its line in the ledger."""
