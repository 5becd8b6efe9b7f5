"""Which proof fits a stream."""

from __future__ import annotations

from typing import assert_never

from etl.model.proof import ProofMode, proof_of
from etl.model.stream import Stream
from etl.ports import Proof
from etl.verify.bracket import Bracket
from etl.verify.checks import CheapChecks
from etl.verify.coverage import Coverage
from etl.verify.keyset import Keyset
from etl.verify.reach import ByNumber, ByOffset


def prove(stream: Stream) -> Proof:
    """The strongest proof that the declarations of a stream allow, for one window."""
    paging, has_key = stream.pages, bool(stream.key)
    chained = CheapChecks(paging, has_key=has_key, overlap=int(paging.inclusive))
    first = paging.first if isinstance(paging.first, int) else 0  # the first cursor of a chain may be any text
    match proof_of(stream):
        case ProofMode.CHECKS:
            return chained
        case ProofMode.KEYSET:
            return Keyset(chained)
        case ProofMode.COVERAGE:
            return Coverage(CheapChecks(paging, has_key=has_key, overlap=1), ByOffset(first))
        case ProofMode.PROBES:
            return Coverage(CheapChecks(paging, has_key=has_key), ByNumber(first))
        case ProofMode.BRACKET:
            return Bracket(CheapChecks(paging, has_key=has_key))
        case mode:
            assert_never(mode)
