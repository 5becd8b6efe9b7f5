"""How requests are signed: `auth` as `model.source.Auth`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import urlsplit

from etl.model.credential import Credential
from etl.model.source import Auth, OAuth2
from etl.settings.building.desk import Texts
from etl.settings.format.auth import AuthPart, OAuth2Part

_WAYS: Final = ("bearer", "header", "query", "basic", "oauth2", "hook")
_OAUTH2: Final = ("auth", "oauth2")


def build_auth(part: AuthPart | str | None, texts: Texts) -> Auth:
    """Exactly one way to sign, or none."""
    if not isinstance(part, AuthPart):
        return Auth()
    ways = [way for way in _WAYS if getattr(part, way) is not None]
    if len(ways) != 1:
        found = f"; here are {', '.join(ways)}" if ways else ""
        texts.problem(("auth",), f"needs exactly one of {', '.join(_WAYS)}{found}", at_key=True)
        return Auth()
    if part.given is not None and part.hook is None:
        texts.problem(("auth", "given"), "has a meaning only beside `hook`", at_key=True)
    place = texts.line(("auth",))
    credentials = tuple(_credential(*written, texts, place) for written in _written(part))
    return replace(_signing(part, texts), credentials=credentials, place=place)


def _signing(part: AuthPart, texts: Texts) -> Auth:
    if part.hook is not None:
        return Auth(kind="hook", values=(part.hook,), pairs=_secrets(part.given or {}, "given", texts))
    if part.bearer is not None:
        return Auth(kind="bearer", values=(texts.secret(part.bearer, ("auth", "bearer")),))
    if part.basic is not None:
        user = texts.header(part.basic[0], ("auth", "basic", 0))
        password = texts.secret(part.basic[1], ("auth", "basic", 1)) if part.basic[1] else ""
        texts.hide(f"{user}:{password}")
        return Auth(kind="basic", values=(user, password))
    if part.oauth2 is not None:
        return Auth(kind="oauth2", oauth2=_oauth2(part.oauth2, texts))
    if part.header is not None:
        return Auth(kind="header", pairs=_secrets(part.header, "header", texts))
    return Auth(kind="query", pairs=_secrets(part.query or {}, "query", texts))


_Role = Literal["header", "parameter", "user", "password", "oauth2", "given"]


def _written(part: AuthPart) -> Iterable[tuple[_Role, str, str]]:
    """The texts that become credentials: how each is sent, under which name."""
    if part.bearer is not None:
        yield "header", "Authorization", f"Bearer {part.bearer}"
    if part.basic is not None:
        yield "user", "", part.basic[0]
        yield "password", "", part.basic[1]
    for name, value in (part.header or {}).items():
        yield "header", name, value
    for name, value in (part.query or {}).items():
        yield "parameter", name, value
    for name, value in (part.given or {}).items():
        yield "given", name, value
    if part.oauth2 is not None:
        for name in ("client_id", "client_secret", "refresh_token"):
            value = getattr(part.oauth2, name)
            if value:
                yield "oauth2", name, value


def _credential(role: _Role, name: str, written: str, texts: Texts, place: str) -> Credential:
    length = len(written.removeprefix("Bearer ") if name == "Authorization" else written)
    # A user and an empty password are no secrets, and a line for a shell needs them.
    text = texts.spelled(written) or ((written,) if role == "user" or not written else ())
    return Credential(role=role, name=name, text=text, length=length, place=place)


def _oauth2(part: OAuth2Part, texts: Texts) -> OAuth2:
    grant = part.grant or ("client_credentials" if part.refresh_token is None else "refresh_token")
    where = _OAUTH2 if part.grant is None else (*_OAUTH2, "grant")
    if grant == "refresh_token" and part.refresh_token is None:
        texts.problem(where, "needs `refresh_token`", hint="take it from the environment")
    if grant == "client_credentials":
        if part.client_secret is None:
            texts.problem(where, "needs `client_secret`", hint="take it from the environment")
        if part.refresh_token is not None:
            texts.problem((*_OAUTH2, "refresh_token"), "belongs to `grant: refresh_token`", at_key=True)
    client_id = texts.plain(part.client_id, (*_OAUTH2, "client_id"))
    secret = texts.secret(part.client_secret, (*_OAUTH2, "client_secret")) if part.client_secret else ""
    return OAuth2(
        token_url=_token_url(part.token_url, texts),
        grant=grant,
        client_id=client_id,
        client_secret=secret,
        refresh_token=texts.secret(part.refresh_token, (*_OAUTH2, "refresh_token")) if part.refresh_token else "",
        scope=texts.plain(part.scope, (*_OAUTH2, "scope")) if part.scope else "",
        params=tuple(
            (name, texts.plain(value, (*_OAUTH2, "params", name))) for name, value in (part.params or {}).items()
        ),
        client=part.client or "",
    )


def _token_url(written: str, texts: Texts) -> str:
    pieces = texts.pieces(written, (*_OAUTH2, "token_url"))
    url = texts.plain(written, (*_OAUTH2, "token_url"))
    if any(piece.kind == "missing" for piece in pieces):
        return url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        texts.problem((*_OAUTH2, "token_url"), "should be an absolute URL that begins with https:// or http://")
    elif "@" in parts.netloc:
        texts.problem((*_OAUTH2, "token_url"), "holds credentials", hint="write client_id and client_secret")
    return url


def _secrets(pairs: Mapping[str, str], way: str, texts: Texts) -> tuple[tuple[str, str], ...]:
    return tuple((name, texts.secret(value, ("auth", way, name))) for name, value in pairs.items())
