"""A request as people read it: every credential masked, and the same as a command for a shell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpelledRequest:
    """What would go out, fit to be shown. `body` is its text, empty for a request without one.

    `curl` is the same to be pasted: it names the variables that hold the credentials.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    curl: str = ""
