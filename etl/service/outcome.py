"""The conclusion of a stream's run: status, verdict, reason, exit code, and whether the watermark may move."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.errors import EtlError, ExpectationBroken, Incomplete, LeaseLost
from etl.model.run import Counts, RunStatus, StreamResult
from etl.model.stream import Expect
from etl.model.verdict import Judgement, Verdict, weakest
from etl.pipeline import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a stream ended. `moves_watermark`: those of its members that are complete up to some point may move."""

    status: RunStatus
    exit_code: int
    verdict: Verdict | None
    reason: str
    hint: str = ""
    error_code: str = ""
    moves_watermark: bool = False
    partial: bool = False


def conclude(
    reading: Reading, counts: Counts, expect: Expect, *, strict: bool, parent: StreamResult | None = None
) -> Outcome:
    """Weigh what was read. The first of these decides: a stop, a failure, a cut, a missing row, a broken bound.

    `parent` is the end of the stream whose rows are the members, where it was read in the same run.
    """
    if reading.stopped:
        return Outcome(
            status=RunStatus.INTERRUPTED, exit_code=0, verdict=None, reason="stopped; what was answered is saved"
        )
    if reading.failure is not None and reading.failed == reading.windows:
        return _all_failed(reading, reading.failure)
    if reading.partial:
        return Outcome(
            status=RunStatus.INCOMPLETE,
            exit_code=0,
            verdict=Verdict.INCOMPLETE,
            reason="cut short as asked",
            partial=True,
        )
    if parent is not None and (parent.verdict is None or parent.verdict is Verdict.INCOMPLETE):
        return _without_some_members(reading, parent)
    if reading.failure is not None:
        return _some_failed(reading, reading.failure)
    judged = _weakest(reading)
    if judged.verdict is Verdict.INCOMPLETE:
        return _below(judged, moves=_may_move(reading))
    if reading.unchanged:  # the rows of a list that did not change came in an earlier run
        expect = replace(expect, min_rows=None)
    return _expected(judged, counts, expect, strict=strict)


def _weakest(reading: Reading) -> Judgement:
    """The judgement that limits the whole; its numbers are those of one window, so it says how many there are."""
    judged = reading.judgement or weakest(())
    if reading.judged > 1:
        name = f" {reading.weakest_member}" if reading.weakest_member else ""
        judged = replace(judged, reason=f"{_several(reading)}, the weakest{name}: {judged.reason}")
    if reading.gone:
        what = "1 member is gone" if reading.gone == 1 else f"{reading.gone:,} members are gone"
        judged = replace(judged, reason=f"{judged.reason}; {what}" if reading.judged else what)
    return judged


def _several(reading: Reading) -> str:
    if not reading.weakest_member:
        return f"{reading.judged:,} windows"
    return f"{reading.count - reading.gone:,} members"


def _may_move(reading: Reading) -> bool:
    return any(member.moves for member in reading.members.values())


def failed(error: EtlError) -> Outcome:
    """A stream that ended by an error."""
    status = RunStatus.FENCED if isinstance(error, LeaseLost) else RunStatus.FAILED
    if error.exit_code == 7 and status is RunStatus.FAILED:
        status = RunStatus.REFUSED
    return Outcome(
        status=status,
        exit_code=error.exit_code,
        verdict=Verdict.INCOMPLETE if error.exit_code in (4, 5) else None,
        reason=str(error),
        hint=error.hint,
        error_code=error.code,
    )


def _all_failed(reading: Reading, failure: EtlError) -> Outcome:
    outcome = failed(failure)
    if not reading.failed_member or reading.count == 1:
        return outcome
    told = f"all {reading.count:,} members failed, the first {reading.failed_member}: {outcome.reason}"
    return replace(outcome, reason=told)


def _without_some_members(reading: Reading, parent: StreamResult) -> Outcome:
    """Its parent was not read to its end: what was read is good, and nobody knows how many members are missing."""
    if parent.status is RunStatus.INTERRUPTED:
        return conclude(replace(reading, stopped=True), Counts(), Expect(), strict=False)
    if not reading.windows:
        return Outcome(
            status=parent.status,
            exit_code=parent.exit_code,
            verdict=Verdict.INCOMPLETE,
            reason=f"no member to read: {parent.stream} is {parent.status}",
            error_code=parent.error_code,
            partial=parent.partial,
        )
    rest = _some_failed(reading, reading.failure) if reading.failure is not None else None
    told = rest.reason if rest is not None else _weakest(reading).reason
    return Outcome(
        status=RunStatus.INCOMPLETE,
        exit_code=0 if parent.partial else 5,
        verdict=Verdict.INCOMPLETE,
        reason=f"{parent.stream} is {parent.status}, so members may be missing; {told}",
        hint=parent.hint if rest is None else rest.hint,
        error_code=Incomplete.code,
        moves_watermark=_may_move(reading),
        partial=parent.partial,
    )


def _some_failed(reading: Reading, failure: EtlError) -> Outcome:
    if reading.failed_member:
        told = f"{reading.failed_count:,} of {reading.count:,} members failed, the first {reading.failed_member}: "
    else:
        told = f"{reading.failed:,} of {reading.windows:,} windows failed: "
    return Outcome(
        status=RunStatus.INCOMPLETE,
        exit_code=5,
        verdict=Verdict.INCOMPLETE,
        reason=f"{told}{failure}",
        hint=failure.hint,
        error_code=failure.code,
        moves_watermark=_may_move(reading),
    )


def _expected(judged: Judgement, counts: Counts, expect: Expect, *, strict: bool) -> Outcome:
    """A complete reading may still be not good enough."""
    broken = _broken_expectation(judged, counts, expect)
    if broken:
        return Outcome(
            status=RunStatus.INCOMPLETE,
            exit_code=5,
            verdict=judged.verdict,
            reason=broken,
            hint="look at them with: etl rejects list" if counts.rejected else judged.hint,
            error_code=ExpectationBroken.code,
        )
    if strict and judged.verdict is not Verdict.VERIFIED:
        weak = replace(
            judged,
            reason=f"--strict wants verified, this is {judged.verdict}: {judged.reason}",
            hint=judged.hint or "the rows are stored; an `order` that the API keeps lets a reading be proved",
        )
        return _below(weak, moves=True)
    return Outcome(
        status=RunStatus.SUCCEEDED,
        exit_code=0,
        verdict=judged.verdict,
        reason=judged.reason,
        hint=judged.hint,
        moves_watermark=True,
    )


def _broken_expectation(judged: Judgement, counts: Counts, expect: Expect) -> str:
    if counts.fetched and counts.rejected / counts.fetched > expect.max_reject_share:
        share = counts.rejected / counts.fetched
        return (
            f"{counts.rejected:,} of {counts.fetched:,} items were rejected ({share:.1%}), "
            f"more than expect.max_reject_share = {expect.max_reject_share:.1%}"
        )
    if expect.min_rows is not None and counts.fetched - counts.rejected < expect.min_rows:
        return f"{counts.fetched - counts.rejected:,} rows came, expect.min_rows is {expect.min_rows:,}"
    if expect.complete is not None and judged.verdict.strength < Verdict(expect.complete).strength:
        return f"the verdict is {judged.verdict} ({judged.reason}), expect.complete asks for {expect.complete}"
    return ""


def _below(judged: Judgement, *, moves: bool) -> Outcome:
    return Outcome(
        status=RunStatus.INCOMPLETE,
        exit_code=5,
        verdict=judged.verdict,
        reason=judged.reason,
        hint=judged.hint,
        error_code=Incomplete.code,
        moves_watermark=moves,
    )
