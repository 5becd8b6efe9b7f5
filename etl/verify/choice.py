"""Which proof fits a stream."""

from __future__ import annotations

from etl.model.stream import Stream
from etl.ports import Proof
from etl.verify.checks import CheapChecks


def prove(stream: Stream) -> Proof:
    """The strongest proof that the declarations of a stream allow, for one window."""
    return CheapChecks(stream.pages, has_key=bool(stream.key))
