"""The only room that speaks HTTP: from the request a strategy names to the page a decoder made of the answer.

`open_source` opens one source for all its streams: they share its connections, its limiter and its pauses. What is
easy to get wrong here: credentials go to the origin of `base_url` and nowhere else; a body is complete only when its
own framing says so; and every wait has an end.
"""

import sys

# httpx imports a command line of its own, with click, rich and pygments, wherever those are installed. It does without
# when the import fails, and a start of this program is a twentieth shorter.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python spells "not importable"

from etl.extract.client import SourceClient, open_source  # noqa: E402 - after the line above
from etl.extract.pagination import strategy  # noqa: E402
from etl.extract.signing_hook import SigningHook  # noqa: E402

__all__ = ["SigningHook", "SourceClient", "open_source", "strategy"]
