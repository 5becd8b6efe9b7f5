"""A request as people read it: every credential masked, and the same as a line for a shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpelledRequest:
    """What would go out, fit to be shown. `body` is its text, empty for a request without one."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    @property
    def curl(self) -> str:
        """The same request for a shell. Masked values are for the reader to fill in."""
        # --globbing off: curl would expand the brackets that many APIs have in the names of their parameters.
        words = ["curl", "--globoff", "--compressed"]
        if self.method != "GET" or self.body:
            words += ["--request", self.method]
        for name, value in self.headers:
            if name.lower() not in _CURLS_OWN:
                words += ["--header", f"{name}: {value}"]
        if self.body:
            words += ["--data-raw", self.body]
        return shlex.join([*words, self.url])


_CURLS_OWN = frozenset({"accept-encoding", "user-agent"})
"""What --compressed and curl itself send."""
