"""A request that is shown instead of sent, and the variables that its secrets come from."""

from __future__ import annotations

from collections.abc import Iterator

from etl.extract.auth import Signer
from etl.extract.headers import with_defaults
from etl.extract.origins import Origins
from etl.extract.request import Outgoing
from etl.model.credential import Credential, Spelled, Variable, variables_of
from etl.model.secret import MASK, Redactor
from etl.model.shell import ShellRequest
from etl.model.source import Source
from etl.model.spelled import SpelledRequest

_CURLS_OWN = frozenset({"accept-encoding", "user-agent"})
"""What --compressed and curl itself send, where nothing else is asked for."""


class Speller:
    """Spells the requests of one source. `signer` is that of the stream: its parameters may be credentials too."""

    def __init__(self, source: Source, signer: Signer, origins: Origins, redactor: Redactor) -> None:
        self._auth = source.auth
        self._signer = signer
        self._origins = origins
        self._redactor = redactor

    def spelled(self, outgoing: Outgoing) -> SpelledRequest:
        """The request as it would be sent, every credential masked, and the same for a shell."""
        signer = self._signer
        own = self._origins.is_own(outgoing.url)
        url, query = self._redactor(signer.unsigned(outgoing.url)), signer.masked_query if own else ""
        headers = with_defaults((*outgoing.headers, *signer.masked_headers) if own else ())
        return SpelledRequest(
            method=outgoing.method,
            url=f"{url}{'&' if '?' in url else '?'}{query}" if query else url,
            headers=tuple((name, self._redactor(value)) for name, value in headers),
            body=self._redactor(_text(outgoing)),
            curl=self._shell(outgoing, own=own).text,
        )

    def sent(self, outgoing: Outgoing) -> tuple[Credential, ...]:
        """The credentials of a request to the source's own origin, as far as `auth` or variables hold them."""
        headers = [(name, self._redactor.spelled(value)) for name, value in outgoing.headers]
        further = [
            *(Credential(role="header", name=name, text=text) for name, text in headers),
            *(Credential(role="parameter", name=name, text=text) for name, text in self._secret_params),
            Credential(role="body", text=self._redactor.spelled(_text(outgoing))),
        ]
        return (*self._auth.credentials, *(one for one in further if variables_of((one.text,))))

    @property
    def _secret_params(self) -> tuple[tuple[str, Spelled], ...]:
        return tuple((name, self._redactor.spelled(value)) for name, value in self._signer.secret_params)

    def _shell(self, outgoing: Outgoing, *, own: bool) -> ShellRequest:
        url = self._redactor.spelled(self._signer.unsigned(outgoing.url))
        signed = {role: self._signed(role) if own else () for role in ("header", "parameter", "user", "password")}
        basic = (*signed["user"], *signed["password"])
        fetched = [("Authorization", ("Bearer ", MASK))] if own and self._auth.kind == "oauth2" else []
        return ShellRequest(
            method=outgoing.method,
            url=url,
            headers=(*self._shell_headers(outgoing, own=own), *signed["header"], *fetched),
            query=(*signed["parameter"], *(self._secret_params if own else ())),
            user=(*basic[0][1], ":", *basic[1][1]) if basic else (),
            body=self._redactor.spelled(_text(outgoing)),
            notes=tuple(self._notes()) if own else (),
        )

    def _shell_headers(self, outgoing: Outgoing, *, own: bool) -> Iterator[tuple[str, Spelled]]:
        given = outgoing.headers if own else ()
        named = {name.lower() for name, _ in given}
        for name, value in with_defaults(given):
            if name.lower() in named or name.lower() not in _CURLS_OWN:
                yield name, self._redactor.spelled(value)

    def _signed(self, role: str) -> tuple[tuple[str, Spelled], ...]:
        """What `auth` adds in this role; masked where no variable holds it."""
        return tuple((one.name, self._shown(one.text)) for one in self._auth.credentials if one.role == role)

    def _shown(self, text: Spelled) -> Spelled:
        if _is_hidden(text):
            return (MASK,)
        # What stands beside a variable is shown, unless it is a secret of its own.
        return tuple(piece if isinstance(piece, Variable) else self._redactor(piece) for piece in text)

    def _notes(self) -> Iterator[str]:
        """What the command cannot hold, and where that comes from."""
        auth = self._auth
        if auth.oauth2 is not None:
            url = self._redactor(auth.oauth2.token_url)
            yield f"*** is an access token that {url} gives (auth.oauth2, {auth.place})"
        if auth.kind == "hook":
            yield f"what the hook {auth.values[0]} adds is not here (auth.hook, {auth.place})"
            return
        for one in auth.credentials:
            if _is_hidden(one.text) and auth.oauth2 is None:
                yield f"***: {one.told}, {one.place}"


def _is_hidden(text: Spelled) -> bool:
    """Whether the file itself holds the credential, plainly or as the default of a variable that is not set."""
    return not text or any(variable.default is not None for variable in variables_of((text,)))


def _text(outgoing: Outgoing) -> str:
    return (outgoing.content or b"").decode("utf-8", "replace")
