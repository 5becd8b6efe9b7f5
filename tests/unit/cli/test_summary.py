"""The end of a run, for people and for machines."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

from etl.entrypoints.cli.options import LogFormat, Shared
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.summary import present, summary
from etl.model.run import Counts, RunKind, RunResult, RunStatus, StreamResult
from etl.model.verdict import Verdict

GOOD = StreamResult(
    stream="github.issues",
    status=RunStatus.SUCCEEDED,
    exit_code=0,
    verdict=Verdict.VERIFIED,
    reason="60,771 of 60,771",
    counts=Counts(pages=608, requests=611, retries=3, fetched=60771, inserted=412, updated=1093, unchanged=59266),
    watermark="2026-11-22T14:01:58Z",
    seconds=28.9004,
)
BAD = StreamResult(
    stream="github.labels",
    status=RunStatus.INCOMPLETE,
    exit_code=5,
    verdict=Verdict.INCOMPLETE,
    reason="capped at 1,000\nrows",
    hint="use windows",
    error_code="E-INCOMPLETE",
)


def run(*streams: StreamResult, signal: int | None = None) -> RunResult:
    return RunResult(
        run_id="01JDB7Q4",
        kind=RunKind.SYNC,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        seconds=29.3,
        streams=streams,
        signal=signal,
    )


def session(**shared: object) -> Session:
    made = Session(Shared(**shared), {})
    made.out, made.err = io.StringIO(), io.StringIO()
    return made


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(result: RunResult, columns: int | None = None) -> list[str]:
    """The lines of a summary: in a file, or on a terminal of so many columns."""
    made = session()
    if columns is not None:
        made.environ, made.err = {"COLUMNS": str(columns)}, Terminal()
    return [line for line, _ in summary(made, result)]


def test_the_object_has_exactly_the_promised_keys() -> None:
    """Additions would be harmless, a missing or renamed key would not."""
    made = session(json=True)

    code = present(made, run(GOOD, BAD))

    found = json.loads(made.out.getvalue())
    assert code == found["exit_code"] == 5
    assert list(found) == ["run_id", "status", "exit_code", "seconds", "streams"]
    assert found["status"] == "incomplete"
    assert found["streams"][0] == {
        "stream": "github.issues",
        "status": "succeeded",
        "verdict": "verified",
        "reason": "60,771 of 60,771",
        "pages": 608,
        "requests": 611,
        "retries": 3,
        "fetched": 60771,
        "inserted": 412,
        "updated": 1093,
        "unchanged": 59266,
        "deleted": 0,
        "rejected": 0,
        "watermark": "2026-11-22T14:01:58Z",
        "seconds": 28.9,
    }


def test_the_summary_has_a_line_a_stream_and_a_next_step() -> None:
    """Counts, watermark, verdict and its reason."""
    lines = told(run(GOOD))

    assert lines[0] == "ok github  succeeded  29.3 s  run 01JDB7Q4"
    assert lines[1].split() == [
        "stream", "pages", "fetched", "inserted", "updated", "unchanged", "rejected", "watermark", "verdict",
    ]  # fmt: skip
    assert lines[2].split("  ")[1] == "github.issues"
    assert lines[2].endswith("2026-11-22 14:01:58Z  ok verified: 60,771 of 60,771")
    assert lines[3] == "  608 pages in 611 requests, 3 retried - 0 B - 21 pages/s"
    assert lines[4] == 'Next  etl query "select * from github_issues limit 10"'


def test_a_stream_that_ended_badly_has_its_cause_in_full() -> None:
    """Whatever the table left out is in the line below it; a line break stays visible."""
    lines = told(run(GOOD, BAD), columns=60)

    assert max(map(len, lines[1:4])) <= 60
    assert "x github.labels: capped at 1,000\\nrows" in lines
    assert "  hint  use windows" in lines
    assert "  code  E-INCOMPLETE  (etl explain E-INCOMPLETE)" in lines


def test_a_file_gets_the_whole_table() -> None:
    """The table was cut to 80 columns where stderr is a pipe: the verdict, last in the line, was gone."""
    lines = told(run(GOOD))

    assert len(lines[2]) > 120
    assert lines[2].endswith("verified: 60,771 of 60,771")


def test_a_narrow_terminal_drops_columns_and_cuts_none() -> None:
    """The watermark goes first, stream and verdict stay however narrow it is."""
    assert told(run(GOOD), columns=200)[1].split()[-2:] == ["watermark", "verdict"]
    assert told(run(GOOD), columns=110)[1].split() == [
        "stream", "pages", "fetched", "inserted", "updated", "unchanged", "rejected", "verdict",
    ]  # fmt: skip
    assert told(run(GOOD), columns=60)[1:3] == [
        "  stream         inserted  updated  rejected  verdict",
        "  github.issues       412    1,093         0  ok verified",
    ]
    assert told(run(GOOD), columns=10)[1:3] == ["  stream         verdict", "  github.issues  ok verified"]


def test_rejects_and_interruptions_have_their_own_next_step() -> None:
    """The hint follows what happened."""
    rejected = replace(GOOD, counts=replace(GOOD.counts, rejected=3))

    assert told(run(rejected))[-1] == "Next  etl rejects list"
    assert told(run(GOOD, signal=15))[-1] == "Next  the same command again: it continues where this run stopped"


def test_quiet_prints_no_summary() -> None:
    """-q leaves errors only, and those come from the log."""
    made = session(quiet=True)

    present(made, run(GOOD))

    assert made.err.getvalue() == made.out.getvalue() == ""


def test_what_a_dry_run_tells_is_data() -> None:
    """Piped or under cron it printed nothing at all: the log has no event for what was not done."""
    dry = replace(GOOD, status=RunStatus.SKIPPED, verdict=None, reason="dry run: would read everything")
    piped = session(log_format=LogFormat.JSON)
    piped.logs = True

    code = present(piped, replace(run(dry), run_id=""))

    assert code == 0
    assert piped.out.getvalue().splitlines() == [
        "stream         what",
        "github.issues  dry run: would read everything",
    ]
    assert piped.err.getvalue() == ""
