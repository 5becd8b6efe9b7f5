"""Which proof fits a window of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from etl.model.proof import NUMBERED, Closing, ProofMode, proof_of
from etl.model.stream import Stream
from etl.model.window import Window
from etl.ports import Proof
from etl.verify.bracket import Bracket
from etl.verify.checks import CheapChecks
from etl.verify.closed import Descent, OpenWindow, OverWindow
from etl.verify.coverage import Coverage
from etl.verify.keyset import Keyset
from etl.verify.reach import ByNumber, ByOffset
from etl.verify.sighting import Advised

_OPEN = (
    "rows of the newest window are still being written: incremental.delay, as long as `lag` at least, waits for them"
)
_UNBOUNDED = "only windows with a start can be proved: say where the first one begins, incremental.start"


def prove(
    stream: Stream, window: Window, closing: Closing | None = None, behind: Callable[[], int] = lambda: 0
) -> Proof:
    """The strongest proof that the declarations of a stream allow, for one window.

    `closing` tells which windows are over, `behind` how many microseconds the server's clock is behind ours, as far
    as its first answer told.
    """
    paging, has_key = stream.pages, bool(stream.key)
    chained = CheapChecks(paging, has_key=has_key, overlap=int(paging.inclusive))
    first = paging.first if isinstance(paging.first, int) else 0  # the first cursor of a chain may be any text
    match proof_of(stream):
        case ProofMode.CHECKS:
            return Advised(chained, stream) if stream.order is None and has_key else chained
        case ProofMode.KEYSET:
            return Keyset(chained)
        case ProofMode.COVERAGE:
            return Coverage(CheapChecks(paging, has_key=has_key, overlap=1), ByOffset(first))
        case ProofMode.PROBES:
            return Coverage(CheapChecks(paging, has_key=has_key), ByNumber(first))
        case ProofMode.BRACKET:
            return Bracket(CheapChecks(paging, has_key=has_key))
        case ProofMode.CLOSED:
            return _by_window(stream, window, chained, closing or Closing(stream=stream), behind)
        case mode:
            assert_never(mode)


def _by_window(
    stream: Stream, window: Window, checks: CheapChecks, closing: Closing, behind: Callable[[], int]
) -> Proof:
    assert stream.incremental is not None
    if not closing(window):
        return OpenWindow(checks, _OPEN if window.start is not None else _UNBOUNDED)
    proof = Descent(checks) if stream.pages.kind in NUMBERED else Keyset(checks)
    bounds = stream.incremental.asked(window)
    return OverWindow(proof, bounds, lambda: closing(window, behind()))
