"""`etl explain`: every error code in words: what it means, what usually causes it, what to do. Needs no network.

`docs/reference/error-codes.md` is `page()`; a test holds them equal, and another one that no code is without its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from etl.errors import EtlError, UsageError
from etl.service.explanations import EXPLANATIONS, Explanation


def explain(code: str) -> Explanation:
    """The text of a code, written in any case, with or without its `E-`. Raises UsageError for one there is not."""
    wanted = code.upper() if code.upper().startswith("E-") else f"E-{code.upper()}"
    found = EXPLANATIONS.get(wanted)
    if found is None:
        near = get_close_matches(wanted, EXPLANATIONS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "`etl explain` alone lists all codes"
        raise UsageError(f"there is no error code {code!r}", hint=hint)
    return found


def codes() -> frozenset[str]:
    """The codes of the error tree, as far as it is imported."""
    return frozenset(kind.code for kind in _family(EtlError))


def _family(kind: type[EtlError]) -> Iterator[type[EtlError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def page() -> str:
    """The page of the reference."""
    lines = [
        "# Error codes",
        "",
        "Every error ends with a code. `etl explain CODE` prints the text that stands here, without a network.",
        "",
    ]
    for found in EXPLANATIONS.values():
        lines += [f"## {found.code}", "", f"{found.means} Exit code {found.exit_code}.", "", "Usual causes:", ""]
        lines += [f"* {cause}" for cause in found.causes]
        lines += ["", "What to do:", "", *(f"* {step}" for step in found.do), ""]
    return "\n".join(lines)
