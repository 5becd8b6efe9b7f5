"""The end of a run on one screen, and as the one object that `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any, Final

from etl.entrypoints.cli.failure import coded
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.table import table
from etl.listeners.figures import instant, seconds, several, size
from etl.model.run import Counts, RunResult, RunStatus, StreamResult, TimeSplit

_TITLES: Final = (
    "stream", "pages", "fetched", "inserted", "updated", "unchanged", "rejected", "watermark", "verdict",
)  # fmt: skip
_NUMBERS: Final = frozenset(_TITLES[1:7])
_DROPPED_FIRST: Final = ("watermark", "pages", "fetched", "unchanged", "reason", "rejected", "updated", "inserted")
"""What a narrow terminal does without, in this order; `reason` is what follows the verdict."""
_SHOWN_COUNTS: Final = (
    "pages", "requests", "retries", "fetched", "inserted", "updated", "unchanged", "deleted", "rejected",
)  # fmt: skip


def present(session: Session, result: RunResult) -> int:
    """Print what a run came to: the object on stdout under `--json`, the summary on stderr; the exit code.

    What a dry run tells was asked for, so it is data and stands on stdout.
    """
    if session.shared.json:
        session.data_object(run_object(result))
    if result.was_dry:
        if not session.shared.json:
            for line in table(("stream", "what"), [[stream.stream, stream.reason] for stream in result.streams]):
                session.data(line)
        return result.exit_code
    for line, colour in summary(session, result):
        session.say(line, colour, under=4)
    return result.exit_code


def run_object(result: RunResult) -> dict[str, Any]:
    """The keys of this object are a promise; the reference of the command line lists them."""
    return {
        "run_id": result.run_id,
        "status": str(result.status),
        "exit_code": result.exit_code,
        "seconds": round(result.seconds, 3),
        "streams": [_stream_object(stream) for stream in result.streams],
    }


def error_object(reason: str, exit_code: int) -> dict[str, Any]:
    """The same object for a command that ended before it had a run."""
    return {
        "run_id": None,
        "status": str(RunStatus.FAILED),
        "exit_code": exit_code,
        "reason": reason,
        "seconds": 0.0,
        "streams": [],
    }


def _stream_object(result: StreamResult) -> dict[str, Any]:
    counts = asdict(result.counts)
    return {
        "stream": result.stream,
        "status": str(result.status),
        "verdict": str(result.verdict) if result.verdict else None,
        "reason": result.reason,
        **{name: counts[name] for name in _SHOWN_COUNTS},
        "watermark": result.watermark,
        "seconds": round(result.seconds, 3),
    }


_INDENT: Final = "  "

Told = tuple[str, str | None]
"""A line and its colour."""


def summary(session: Session, result: RunResult) -> list[Told]:
    """The lines of the summary: the whole, the table, the sums, the hints."""
    marks, good = session.marks, result.exit_code == 0
    names = ", ".join(dict.fromkeys(stream.stream.partition(".")[0] for stream in result.streams)) or "nothing to do"
    kind = f" ({result.kind})" if result.kind != "sync" else ""
    head = f"{marks.good if good else marks.bad} {session.printable(names, 60)}{kind}  {result.status}"
    told: list[Told] = [(f"{head}  {seconds(result.seconds)}  run {result.run_id}", "green" if good else "red")]
    if not result.streams:
        return told
    told.extend((line, None) for line in _fitting(session, result.streams))
    told.append((_sums(session, result), None))
    told.extend(_causes(session, result.streams))
    told.extend(_hints(session, result))
    return told


def _fitting(session: Session, streams: Sequence[StreamResult]) -> list[str]:
    """The table, without its least important columns where the terminal is too narrow. Nothing is ever cut."""
    width = session.width(session.err)
    gone: set[str] = set()
    for name in ("", *_DROPPED_FIRST):
        gone.add(name)
        titles = [title for title in _TITLES if title not in gone]
        cells = [_cells(session, stream, reason="reason" not in gone) for stream in streams]
        numbers = frozenset(index for index, title in enumerate(titles) if title in _NUMBERS)
        lines = table(titles, [[row[title] for title in titles] for row in cells], right=numbers)
        if width is None or max(map(len, lines)) + len(_INDENT) <= width:
            break
    return [_INDENT + line for line in lines]


def _cells(session: Session, result: StreamResult, *, reason: bool) -> dict[str, str]:
    """One stream by the titles of the table."""
    counts, marks = result.counts, session.marks
    verdict = f"{marks.of(result.verdict, result.exit_code)} {result.verdict or result.status}"
    if reason and result.reason:
        verdict += f": {session.printable(result.reason, 120)}"
    return {
        "stream": session.printable(result.stream, 40),
        **{title: f"{getattr(counts, title):,}" for title in _NUMBERS},
        "watermark": instant(session.printable(result.watermark, 40)) if result.watermark else marks.dash,
        "verdict": verdict,
    }


def _sums(session: Session, result: RunResult) -> str:
    sums = reduce(add, (stream.counts for stream in result.streams), Counts())
    speed = f"{sums.pages / result.seconds:,.0f} pages/s" if result.seconds > 0.05 else ""
    requests = f"{several(sums.pages, 'page')} in {several(sums.requests, 'request')}, {sums.retries:,} retried"
    deleted = f"{sums.deleted:,} deleted" if sums.deleted else ""
    split = _split(result.time) if result.time is not None and result.seconds > 0.5 else ""
    return "  " + f" {session.marks.dot} ".join(filter(None, (requests, size(sums.bytes), speed, deleted, split)))


def _split(time: TimeSplit) -> str:
    """Where the time went, with the name of what would have to be faster."""
    shares = f"network {time.network_s:.1f} s, rate limit {time.rate_limit_s:.1f} s, database {time.database_s:.1f} s"
    return f"bottleneck {time.bottleneck}: {shares}"


def _causes(session: Session, results: Sequence[StreamResult]) -> list[Told]:
    """The reason in full, for streams that did not end well: the table may have left it out."""
    told: list[Told] = []
    for result in results:
        told.extend((f"  schema: {session.printable(change)}", None) for change in result.schema_changes)
        if not result.exit_code:
            continue
        told.append((f"{session.marks.bad} {result.stream}: {session.printable(result.reason, 1000)}", "red"))
        if result.hint:
            told.append((f"  hint  {session.printable(result.hint)}", None))
        if result.error_code:
            told.append((f"  code  {coded(result.error_code)}", None))
    return told


def _hints(session: Session, result: RunResult) -> list[Told]:
    told: list[Told] = []
    told.extend(
        (f"  {stream.stream}: {session.printable(stream.hint)}", None)
        for stream in result.streams
        if stream.hint and not stream.exit_code
    )
    if result.signal is not None:
        told.append(("Next  the same command again: it continues where this run stopped", None))
    elif any(stream.counts.rejected for stream in result.streams):
        told.append(("Next  etl rejects list", None))
    elif result.exit_code == 0 and not any(stream.partial for stream in result.streams):
        table_name = result.streams[0].stream.replace(".", "_")
        told.append((f'Next  etl query "select * from {table_name} limit 10"', None))  # noqa: S608 - a text for people
    return told
