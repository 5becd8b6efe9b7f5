"""A lane: one connection, used by one transaction at a time in the order of asking, opened again after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Lane:
    """Keeps its connection open between transactions, so that a batch costs no login and temp tables stay."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()  # fair: waiters get it in the order they asked
        self._held: AsyncConnection | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """The lane's connection, alone, outside any transaction."""
        async with self._turn:
            if self._held is None:
                self._held = await self._engine.connect()
            try:
                yield self._held
            finally:
                await self._drop_if_broken()

    async def close(self) -> None:
        """Wait for the transaction that runs, then close."""
        async with self._turn:
            held, self._held = self._held, None
            if held is not None:
                await held.close()

    async def _drop_if_broken(self) -> None:
        held = self._held
        if held is not None and (held.invalidated or held.closed or held.in_transaction()):
            self._held = None
            await held.close()
