"""Whether a complete reading may take rows away: what has to hold, what is refused, and how many rows go.

A reading that looks complete and is not (a filter nobody sees, a token that lost a permission, an empty answer) would
take living rows away, so anything unusual is refused with the exact number a person has to name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from etl.errors import DeletesRefused
from etl.model.run import Counts, RunStatus
from etl.model.stream import DeletesKind, Stream, Write
from etl.model.verdict import Verdict
from etl.normalize import digest_of_key
from etl.pipeline import Reading
from etl.runs import Missing, Removal, StreamRun, Sweep, allowed
from etl.service.app import App
from etl.service.outcome import Outcome

_REJECT_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome with what was decided about deletions, how many rows go, and what the finaliser does for it."""

    outcome: Outcome
    deleted: int = 0
    removal: Removal | None = None
    is_settled: bool = True
    """False while rows are missing that another reading of the same list has to decide about."""


async def decide(
    app: App,
    stream: Stream,
    *,
    run: StreamRun,
    reading: Reading,
    outcome: Outcome,
    counts: Counts,
    confirmed: int | None,
    may_sweep: bool,
) -> Decision:
    """Look for rows the reading did not bring, and decide. `confirmed` is the N of `--confirm-deletes`.

    `may_sweep` is False for readings that are a part by their nature: slices, and runs that were asked to be cut.
    """
    sweep = Sweep(app.database, stream, run, digest_of_key)
    if stream.deletes.kind in (DeletesKind.FIELD, DeletesKind.WHEN):
        return Decision(outcome=outcome, deleted=await sweep.marked_by_items())
    if not (may_sweep and stream.sweeps and _is_whole(stream, reading, outcome)):
        return Decision(outcome=outcome)
    decision = await _compared(sweep, stream, reading=reading, outcome=outcome, counts=counts, confirmed=confirmed)
    if stream.comes_whole and not decision.is_settled:  # with the new token the API would only say: not changed
        return replace(decision, outcome=replace(decision.outcome, moves_watermark=False))
    return decision


async def _compared(
    sweep: Sweep, stream: Stream, *, reading: Reading, outcome: Outcome, counts: Counts, confirmed: int | None
) -> Decision:
    """What a whole reading did not bring, and what is done about it."""
    twice = outcome.verdict is Verdict.CONSISTENT and stream.write is not Write.REPLACE
    missing = await sweep.look(twice=twice, confirmed=confirmed)
    why = _odd(reading, counts, missing, confirmed)
    if why:
        return Decision(outcome=_refused(outcome, why, _look_at(stream)), is_settled=False)
    if missing.lost > allowed(missing.live, None) and confirmed != missing.lost:
        told = _refused(outcome, _too_many(missing), _confirm(stream, missing.lost))
        return Decision(outcome=told, removal=sweep.removal(missing, keep=twice, refused=True), is_settled=False)
    if missing.keyless or missing.key_changed:
        return Decision(outcome=_postponed(outcome, missing), is_settled=False)
    if missing.unproved:
        outcome = replace(outcome, reason=f"{outcome.reason}; {missing.unproved:,} rows missing for the first time")
    return Decision(
        outcome=outcome,
        deleted=missing.count,
        removal=sweep.removal(missing, keep=twice),
        is_settled=not missing.unproved,
    )


def _is_whole(stream: Stream, reading: Reading, outcome: Outcome) -> bool:
    whole = bool(reading.windows) and (reading.is_whole or stream.comes_whole) and not reading.unchanged
    complete = outcome.verdict in (Verdict.VERIFIED, Verdict.CONSISTENT)
    return outcome.status is RunStatus.SUCCEEDED and complete and whole


def _odd(reading: Reading, counts: Counts, missing: Missing, confirmed: int | None) -> str:
    """Why this reading is not trusted to take rows away; empty when it is."""
    if not missing.delivered and missing.live and confirmed != missing.live:
        return f"the API returned no rows, and {missing.live:,} are stored (--confirm-deletes {missing.live})"
    if not missing.lost:
        return ""
    if counts.fetched and counts.rejected / counts.fetched > _REJECT_SHARE:
        return (
            f"{missing.lost:,} rows would be deleted, and {counts.rejected:,} of {counts.fetched:,} items were "
            f"rejected, more than {_REJECT_SHARE:.0%}"
        )
    if reading.order_broken:
        return f"{missing.lost:,} rows would be deleted, and the declared order does not hold: {reading.order_broken}"
    return ""


def _too_many(missing: Missing) -> str:
    most = allowed(missing.live, None)
    return (
        f"{missing.lost:,} of {missing.live:,} rows would be deleted, more than the {most:,} that a run may delete by "
        f"itself (--confirm-deletes {missing.lost})"
    )


def _confirm(stream: Stream, count: int) -> str:
    full = " --full" if stream.incremental is not None else ""
    return f"if they are really gone: etl sync {stream.id}{full} --confirm-deletes {count}"


def _look_at(stream: Stream) -> str:
    return f"nothing was deleted; look at what the API answers: etl preview {stream.id}"


def _refused(outcome: Outcome, why: str, hint: str) -> Outcome:
    return replace(
        outcome,
        status=RunStatus.REFUSED,
        exit_code=DeletesRefused.exit_code,
        error_code=DeletesRefused.code,
        reason=f"{why}; nothing was deleted",
        hint=hint,
    )


def _postponed(outcome: Outcome, missing: Missing) -> Outcome:
    """Something makes the comparison unsound this time, and no row is worth a guess."""
    if not missing.count and not missing.unproved:
        return outcome
    why = f"{missing.keyless:,} items had no readable key" if missing.keyless else "the type of the key changed"
    return replace(outcome, hint=f"no row was deleted in this run: {why}")
