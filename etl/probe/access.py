"""What a server that refuses wants to see, and which parts of a request are secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from etl.probe.names import squashed

_SECRET: Final = re.compile(
    r".*(token|secret|password|passwd|apikey|accesskey|authkey|signature|credential|session|authorization|cookie|auth)"
    r"|key|appid|appkey|sig|code|jwt|pat|xkey"
)
_PAGING: Final = re.compile(r"(next|page|continuation|start|last).*|.*pagetoken|nexttoken")
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)")
_ENV_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How the requests are signed, with the secrets by the name of their variable.

    `kind` and `parts` are those of the configuration's `auth`: texts may hold `${NAME}`. `headers` are further headers
    of the source.
    """

    kind: str = "none"
    parts: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def filled(self, text: str) -> str:
        """The text with the secrets in the place of their variables."""
        for name, value in self.secrets.items():
            text = text.replace(f"${{{name}}}", value)
        return text


def is_secret(name: str) -> bool:
    """Whether a header or a parameter of this name usually holds a credential."""
    plain = squashed(name)
    return bool(_SECRET.fullmatch(plain)) and not _PAGING.fullmatch(plain)


def is_variable(text: str) -> bool:
    """Whether a text is the name of a variable rather than a secret itself."""
    return bool(_ENV_NAME.fullmatch(text))


def variable_for(source: str, what: str) -> str:
    """The variable that holds a secret of a source: `ACME_TOKEN`."""
    prefix = re.sub(r"[^A-Z0-9]+", "_", source.upper()).strip("_") or "API"
    prefix = f"API_{prefix}" if prefix[0].isdigit() else prefix
    return f"{prefix}_{re.sub(r'[^A-Z0-9]+', '_', what.upper()).strip('_')}"


def advice(challenge: str, source: str) -> str:
    """What to pass to `etl init`, from the `WWW-Authenticate` header of a refusal."""
    found = _SCHEME.match(challenge)
    scheme = found[1].lower() if found else ""
    token, key = variable_for(source, "token"), variable_for(source, "api_key")
    if scheme == "bearer":
        return f"export {token}=... and pass --bearer {token}"
    if scheme == "basic":
        return "pass --basic USER:PASSWORD; the password goes to a variable, not into the file"
    if scheme and scheme not in ("apikey", "api-key"):
        return f'export {token}=... and pass --header "Authorization: {found[1] if found else ""} ${{{token}}}"'
    return (
        f"pass --bearer {token}, or --header \"X-Api-Key: ${{{key}}}\", or --query 'api_key=${{{key}}}', or --basic "
        "USER:PASSWORD, whichever the API's documentation names"
    )
