"""The only room that speaks HTTP: from the request a strategy names to the page a decoder made of the answer.

`open_source` opens one source for all its streams: they share its connections, its limiter and its pauses. What is
easy to get wrong here: credentials go to the origin of `base_url` and nowhere else; a body is complete only when its
own framing says so; and every wait has an end.
"""

from etl.extract.client import SourceClient, open_source
from etl.extract.pagination import strategy

__all__ = ["SourceClient", "open_source", "strategy"]
