"""A source: one API, how its requests are signed, and how hard it may be pushed.

Texts with `${...}` are already filled, so a `Source` holds secrets and its repr leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from etl.model.credential import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """How the access token of a source is got. `params` are further fields of the token request.

    `client` is how the client identifies itself: by HTTP Basic, in the body, or, when empty, in the way that the
    endpoint turns out to read.
    """

    token_url: str
    grant: Literal["client_credentials", "refresh_token"]
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    client: Literal["", "basic", "body"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How requests are signed. Only ever applied to requests within the origins of the source.

    `kind` and the meaning of `values`: `none`; `bearer` (token); `basic` (user, password).
    `header` and `query` use `pairs` of name and value; `oauth2` has its own. `hook`: the name of a function, and what
    it is given as `pairs`. `credentials` tell where all of these came from; `place` is the file and line of the key.
    """

    kind: Literal["none", "bearer", "header", "query", "basic", "oauth2", "hook"] = "none"
    values: tuple[str, ...] = field(default=(), repr=False)
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    oauth2: OAuth2 | None = None
    credentials: tuple[Credential, ...] = field(default=(), repr=False, compare=False)
    place: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard a source may be pushed.

    `rate` is requests per second (None: no declared rate) and may come in `burst`s; `concurrency` caps the adaptive
    limit; `timeout` is the total deadline of one request with all it takes; `retries` are extra tries after the first;
    `body` and `record` are bytes after decompression.
    """

    rate: float | None = None
    burst: int = 1
    concurrency: int = 200
    timeout: timedelta = timedelta(seconds=60)
    retries: int = 5
    body: int = 64 * 1024 * 1024
    record: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One API. `base_url` has no trailing slash; `allow_hosts` are further origins or host names."""

    name: str
    base_url: str
    auth: Auth = field(default_factory=Auth, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    limits: Limits = field(default_factory=Limits)
    allow_hosts: tuple[str, ...] = ()
    trust_env: bool = False
    verify_tls: bool = True
    file: str = ""
