"""Which proof fits a stream."""

from __future__ import annotations

from typing import assert_never

from etl.model.stream import ProofMode, Stream
from etl.ports import Proof
from etl.verify.bracket import Bracket
from etl.verify.checks import CheapChecks
from etl.verify.coverage import Coverage
from etl.verify.keyset import Keyset


def prove(stream: Stream) -> Proof:
    """The strongest proof that the declarations of a stream allow, for one window."""
    paging, has_key = stream.pages, bool(stream.key)
    chained = CheapChecks(paging, has_key=has_key, overlap=int(paging.inclusive))
    match stream.proof:
        case ProofMode.CHECKS:
            return chained
        case ProofMode.KEYSET:
            return Keyset(chained)
        case ProofMode.COVERAGE:
            first = int(paging.first) if isinstance(paging.first, (int, str)) else 0
            return Coverage(CheapChecks(paging, has_key=has_key, overlap=1), first_offset=first)
        case ProofMode.BRACKET:
            return Bracket(CheapChecks(paging, has_key=has_key))
        case mode:
            assert_never(mode)
