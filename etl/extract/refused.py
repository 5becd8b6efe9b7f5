"""Why an API refuses credentials: what was sent, and where each came from, so that nobody has to guess."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from etl.errors import AuthRefused
from etl.model.credential import Credential, told_origins
from etl.model.source import Auth, Source


def origin_told(refused: AuthRefused, source: Source, sent: Iterable[Credential], challenge: str) -> AuthRefused:
    """The refusal of a request to the source's own origin. `challenge` is what its answer asks for, if it says so."""
    origins = told_origins(sent)
    told = [_without(source) if source.auth.kind == "none" else _way(source.auth), origins]
    refused.why = "; ".join(filter(None, (*told, refused.why)))
    refused.hint = _hint(refused.status) if origins or source.auth.kind != "none" else _key(source, challenge)
    return refused


def elsewhere(refused: AuthRefused) -> AuthRefused:
    """The refusal of another host, which no credentials may reach."""
    refused.why = "; ".join(filter(None, ("no credentials go to this host: it is not that of base_url", refused.why)))
    refused.hint = "make it the base_url of a source of its own, or use a URL that needs no credentials"
    return refused


def _without(source: Source) -> str:
    return f"{source.file or source.name} has no `auth`"


def _way(auth: Auth) -> str:
    """How the request was signed, where the credentials alone do not say it."""
    if auth.oauth2 is not None:
        return f"the access token came from {auth.oauth2.token_url.partition('?')[0]}"
    return f"the hook {auth.values[0]} signed it, {auth.place}" if auth.kind == "hook" else ""


def _hint(status: int | None) -> str:
    look = "`etl preview SEL --curl` prints the request, to be compared with the API's documentation"
    if status == HTTPStatus.FORBIDDEN:
        return f"is this account, or the scope of this key, allowed to read it? {look}"
    return f"is it still valid, and of this API? {look}"


def _key(source: Source, challenge: str) -> str:
    name = source.name.upper()
    name = f"API_{name}" if name[:1].isdigit() else name
    if challenge.lower().startswith("basic"):
        line = f"auth: {{basic: ['${{{name}_USER}}', '${{{name}_PASSWORD}}']}}"
    else:
        line = f"auth: {{bearer: '${{{name}_TOKEN}}'}}"
    return f"add {line}, or header, query or oauth2, whichever the API's documentation names"
