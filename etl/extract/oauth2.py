"""The access token of a source: fetched once for all its requests, renewed before it expires and when it is refused."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from etl.errors import EtlError, TryAgain
from etl.extract.kept_token import KeptToken
from etl.extract.token_endpoint import Grant, TokenEndpoint
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.ports import Clock

_EARLY_S: Final = 60.0
_EARLY_SHARE: Final = 0.1
"""A token is renewed a minute before its end, or a tenth of its life before it where that is less."""


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """One token; two are the same only when they are the same object, since servers may repeat the text."""

    authorization: str = field(repr=False)
    renew_at: float
    """On the monotonic clock."""


class Tokens:
    """Hands the current token out; whoever asks while it is fetched waits for that one fetch, or shares its failure."""

    def __init__(self, endpoint: TokenEndpoint, kept: KeptToken | None, clock: Clock) -> None:
        self._endpoint = endpoint
        self._kept = kept
        self._clock = clock
        self._current: AccessToken | None = None
        self._fetching = asyncio.Lock()
        self._failures = 0
        self._failure: EtlError | None = None

    async def current(self) -> AccessToken:
        """A token that is not about to expire. Raises AuthRefused or TryAgain."""
        return await self._other_than(None)

    async def instead_of(self, refused: AccessToken) -> AccessToken:
        """A token after the API refused this one; nothing is fetched when somebody did already."""
        return await self._other_than(refused)

    async def _other_than(self, refused: AccessToken | None) -> AccessToken:
        if (found := self._usable(refused)) is not None:
            return found
        failures = self._failures
        async with self._fetching:
            if (found := self._usable(refused)) is not None:
                return found
            if self._failure is not None and self._failures != failures:
                raise copy.copy(self._failure)
            try:
                self._current = await self._fetched()
            except EtlError as error:
                if isinstance(error, TryAgain):
                    # Without a token nothing of the source can go on: all of it waits, not each request by itself.
                    error.retry_after_s = error.retry_after_s or 0.0
                self._failures, self._failure = self._failures + 1, copy.copy(error)
                raise
            return self._current

    def _usable(self, refused: AccessToken | None) -> AccessToken | None:
        token = self._current
        fresh = token is not None and token is not refused and self._clock.monotonic() < token.renew_at
        return token if fresh else None

    async def _fetched(self) -> AccessToken:
        began = self._clock.monotonic()
        granted = await self._endpoint.grant() if self._kept is None else await self._refreshed(self._kept)
        life = granted.lifetime_s
        early = 0.0 if life is None else min(_EARLY_S, life * _EARLY_SHARE)
        renew_at = float("inf") if life is None else began + life - early
        return AccessToken(f"Bearer {granted.access_token}", renew_at)

    async def _refreshed(self, kept: KeptToken) -> Grant:
        async with kept.alone() as refresh_token:
            granted = await self._endpoint.grant(refresh_token)
            if granted.refresh_token and granted.refresh_token != refresh_token:
                kept.keep(granted.refresh_token)
            return granted


def tokens_of(
    source: Source, transport: httpx.AsyncBaseTransport, *, folder: Path, clock: Clock, redactor: Redactor
) -> Tokens | None:
    """The tokens of a source, None for one that is signed in another way. `folder` keeps rotated refresh tokens."""
    oauth2 = source.auth.oauth2
    if oauth2 is None:
        return None
    timeout_s = source.limits.timeout.total_seconds()
    credentials = source.auth.credentials
    endpoint = TokenEndpoint(
        source.name, oauth2, credentials, transport, clock=clock, redactor=redactor, timeout_s=timeout_s
    )
    kept = None
    if oauth2.grant == "refresh_token":
        kept = KeptToken(folder, source.name, oauth2.refresh_token, clock=clock, redactor=redactor)
    return Tokens(endpoint, kept, clock)
