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
from etl.verify.closed import Descent, OpenWindow, OverWindow, WithinBounds
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
    incremental, mode = stream.incremental, proof_of(stream)
    if incremental is None or not stream.asks_for_start or window.is_whole_list:
        return _of_list(stream, mode)
    within = WithinBounds(_of_window(stream, window, mode, closing), incremental.asked(window))
    if mode is ProofMode.CLOSED and closing is not None and closing(window):
        return OverWindow(within, lambda: closing(window, behind()))
    return within


def _of_window(stream: Stream, window: Window, mode: ProofMode, closing: Closing | None) -> Proof:
    """What is proved of a window, apart from whether the API keeps to it."""
    if mode is not ProofMode.CLOSED:
        return _of_list(stream, mode)
    checks = _checks(stream)
    if closing is None or not closing(window):
        return OpenWindow(checks, _OPEN if window.start is not None else _UNBOUNDED)
    return Descent(checks) if stream.pages.kind in NUMBERED else Keyset(checks)


def _of_list(stream: Stream, mode: ProofMode) -> Proof:
    paging, has_key = stream.pages, bool(stream.key)
    first = paging.first if isinstance(paging.first, int) else 0  # the first cursor of a chain may be any text
    match mode:
        case ProofMode.CHECKS:
            checks = _checks(stream)
            return Advised(checks, stream) if stream.order is None and has_key else checks
        case ProofMode.KEYSET:
            return Keyset(_checks(stream))
        case ProofMode.COVERAGE:
            return Coverage(CheapChecks(paging, has_key=has_key, overlap=1), ByOffset(first))
        case ProofMode.PROBES:
            return Coverage(CheapChecks(paging, has_key=has_key), ByNumber(first))
        case ProofMode.BRACKET:
            return Bracket(CheapChecks(paging, has_key=has_key))
        case ProofMode.CLOSED:  # the whole list has no window that could be over
            return _checks(stream)
        case _:
            assert_never(mode)


def _checks(stream: Stream) -> CheapChecks:
    return CheapChecks(stream.pages, has_key=bool(stream.key), overlap=int(stream.pages.inclusive))
