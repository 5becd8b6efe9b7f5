"""The refresh token that a server put in place of the configured one, kept in a file of its own.

A file and not a table: tables are there to be queried, dumped and shared, and no secret may be in them. It is written
before the first request that uses what came with it, so that a crash never leaves only a token that is spent.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from etl.errors import AuthRefused
from etl.model.secret import Redactor
from etl.ports import Clock

_LONGEST_WAIT_S: Final = 120.0
_POLL_S: Final = 0.1


class KeptToken:
    """The newest refresh token of one source; `configured` is the one the chain of rotations began with.

    A newly configured token ends the chain: whoever authorized again wants the new one.
    """

    def __init__(self, folder: Path, source: str, configured: str, *, clock: Clock, redactor: Redactor) -> None:
        self._file = folder / f"{source}.json"
        self._lock = folder / f"{source}.lock"
        self._source = source
        self._configured = configured
        self._origin = hashlib.blake2b(configured.encode(), digest_size=16).hexdigest()
        self._clock = clock
        self._redactor = redactor

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[str]:
        """The token to present; nobody else on this machine refreshes this source meanwhile.

        Two refreshes with one token look like theft to a server that rotates, and it would end the whole chain.
        Raises AuthRefused, before anything is sent, where a new token could not be kept.
        """
        descriptor = self._open()
        try:
            deadline = self._clock.monotonic() + _LONGEST_WAIT_S
            while not _locked(descriptor):
                if self._clock.monotonic() > deadline:
                    raise self._unusable("another process has been refreshing it for minutes")
                await self._clock.sleep(_POLL_S)
            yield self._read()
        finally:
            os.close(descriptor)

    def keep(self, token: str) -> None:
        """Put the new token in place of the old one: whole, on the disk, or not at all."""
        fresh = self._file.with_suffix(".new")
        content = json.dumps({"source": self._source, "configured": self._origin, "refresh_token": token})
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(content + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
            _sync_folder(self._file.parent)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None

    def _open(self) -> int:
        try:
            self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None

    def _read(self) -> str:
        try:
            kept = json.loads(self._file.read_text())
            token, origin = kept["refresh_token"], kept["configured"]
        except FileNotFoundError:
            return self._configured
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._unusable(f"it cannot be read ({type(error).__name__})") from None
        if origin != self._origin or not isinstance(token, str) or not token:
            return self._configured
        self._redactor.fetched(token)
        return token

    def _unusable(self, why: str) -> AuthRefused:
        return AuthRefused(
            f"{self._source}: the refresh token cannot be kept in {self._file}",
            why=why,
            hint="servers may give a new one at every use, so it needs a place; ETL_TOKENS names another folder",
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
