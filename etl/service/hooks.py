"""The functions of `config/hooks.py`, run only where a source or a stream names one."""

from __future__ import annotations

from functools import partial

from etl.extract import SigningHook
from etl.model.source import Source
from etl.model.stream import Stream
from etl.normalize import Mender
from etl.settings import Settings
from etl.settings.hooks import load_hook, told


def signing_hook(settings: Settings, source: Source) -> SigningHook | None:
    """The hook that signs the requests of a source, None for one that is signed otherwise. Raises ConfigError."""
    if source.auth.kind != "hook":
        return None
    (name,) = source.auth.values
    return SigningHook(
        name=name,
        sign=load_hook(settings.config, name),
        given=dict(source.auth.pairs),
        explain=partial(told, config=settings.config),
    )


def mender(settings: Settings, stream: Stream) -> Mender | None:
    """The hook that every item of a stream passes through, None without one. Raises ConfigError."""
    if not stream.item_hook:
        return None
    return Mender(
        name=stream.item_hook,
        mend=load_hook(settings.config, stream.item_hook),
        explain=partial(told, config=settings.config),
    )
