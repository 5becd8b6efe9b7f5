"""Signing by a function of the user's: what it returns is sent, as long as it stays with the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from etl.errors import AuthRefused
from etl.extract.origins import Origins
from etl.hooks import Request, Sign
from etl.model.secret import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningHook:
    """`explain` tells where in the hook's file an exception came from."""

    name: str
    sign: Sign
    given: Mapping[str, str] = field(repr=False)
    explain: Callable[[Exception], str]

    def __call__(self, request: Request, origins: Origins, redactor: Redactor) -> Request:
        """Raises AuthRefused for a hook that raises or returns something else, ForeignHost for another host."""
        try:
            signed: object = self.sign(request, self.given)
        except Exception as error:  # noqa: BLE001 - whatever the hook does
            raise self._refused(redactor(self.explain(error))) from None
        if not isinstance(signed, Request):
            raise self._refused(f"it returned {type(signed).__name__}, not etl.hooks.Request")
        if not origins.is_own(signed.url):
            raise self._refused("it leads to another host, which no credentials may reach")
        return signed

    def _refused(self, why: str) -> AuthRefused:
        return AuthRefused(f"the hook {self.name} did not sign the request", why=why, hint="mend it in hooks.py")
