"""`etl sync` and `etl backfill` from arguments to output, over a service that plays its part."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from etl.entrypoints.cli.process import run
from etl.errors import UsageError
from etl.model.events import RunFinished, RunStarted, StreamFinished
from etl.model.run import Counts, RunKind, RunResult, RunStatus, StreamResult
from etl.model.secret import Redactor
from etl.model.verdict import Verdict

STREAM = StreamResult(
    stream="shop.orders",
    status=RunStatus.SUCCEEDED,
    exit_code=0,
    verdict=Verdict.CONSISTENT,
    reason="163 of 163 with key-from-config",
    counts=Counts(pages=2, requests=2, fetched=163, inserted=163),
    seconds=0.6,
)
RESULT = RunResult(
    run_id="01JDB7Q4", kind=RunKind.SYNC, started_at=datetime(2026, 11, 22, tzinfo=UTC), seconds=1.0, streams=(STREAM,)
)


@dataclass
class Asked:
    """What reached the services."""

    config: Path | None = None
    database: str | None = None
    options: Any = None
    failure: Exception | None = None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Services that remember what they were asked, and tell a run of one stream."""
    seen = Asked()

    @asynccontextmanager
    async def open_app(
        config: Path, database: str | None, environ: Mapping[str, str], listener: Any, clock: Any = None
    ) -> AsyncIterator[Any]:
        seen.config, seen.database = config, database
        yield SimpleNamespace(settings=SimpleNamespace(redactor=Redactor(["key-from-config"])), listener=listener)

    async def serve_run(app: Any, options: Any, stop: Any) -> RunResult:
        seen.options = options
        assert not stop.requested
        if seen.failure is not None:
            raise seen.failure
        at = datetime(2026, 11, 22, tzinfo=UTC)
        app.listener(
            RunStarted(run_id="01JDB7Q4", kind=RunKind.SYNC, streams=("shop.orders",), database="sqlite x", at=at)
        )
        app.listener(StreamFinished(result=STREAM))
        app.listener(RunFinished(result=RESULT))
        return RESULT

    def module(name: str, **names: Any) -> None:
        made = ModuleType(name)
        made.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, made)

    module("etl.bootstrap", open_app=open_app)
    module("etl.service.sync", sync=serve_run, SyncOptions=SimpleNamespace)
    module("etl.service.backfill", backfill=serve_run, BackfillOptions=SimpleNamespace)
    for name in ("ETL_CONFIG", "ETL_DATABASE", "ETL_LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return seen


def test_options_reach_the_service_from_both_sides_of_the_command(asked: Asked, capsys) -> None:
    """Shared options before or after the name, own options after it."""
    code = run(
        ["--config", "mine", "-q", "sync", "shop.*", "tag:x", "--full", "--limit", "7", "--database", "sqlite:///x"]
    )

    assert code == 0
    assert (asked.config, asked.database) == (Path("mine"), "sqlite:///x")
    assert asked.options.selectors == ("shop.*", "tag:x")
    assert (asked.options.full, asked.options.limit, asked.options.max_pages) == (True, 7, None)
    assert (asked.options.strict, asked.options.dry_run, asked.options.concurrency) == (False, False, None)
    assert capsys.readouterr() == ("", "")


def test_stdout_is_empty_without_json_and_stderr_is_a_log(asked: Asked, capsys) -> None:
    """Outside a terminal stderr is one object a line, and no secret of the configuration is in it."""
    assert run(["sync"]) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["event"] for line in err.splitlines()] == [
        "run.started",
        "stream.finished",
        "run.finished",
    ]
    assert "key-from-config" not in err
    assert "163 of 163 with ***" in err


def test_json_is_one_object_on_stdout(asked: Asked, capsys) -> None:
    """The log goes on on stderr."""
    assert run(["sync", "--json"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["streams"][0]["reason"] == "163 of 163 with ***"
    assert err.count("\n") == 3


def test_plain_talk_ends_with_the_summary(asked: Asked, capsys) -> None:
    """Lines of words, then the table, all on stderr."""
    assert run(["sync", "--log-format", "plain"]) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert "shop.orders succeeded in 0.6 s" in err
    assert "Next  etl query" in err


def test_an_error_of_the_service_is_its_exit_code_and_an_object(asked: Asked, capsys) -> None:
    """Also when nothing ran."""
    asked.failure = UsageError("no source is called 'x'", hint="did you mean shop?")

    assert run(["sync", "x", "--json", "--log-format", "plain"]) == 2

    out, err = capsys.readouterr()
    assert json.loads(out)["reason"] == "no source is called 'x'"
    assert "hint  did you mean shop?" in err


def test_a_backfill_passes_its_range(asked: Asked) -> None:
    """As it was typed; the service knows what the stream's cursor is."""
    assert run(["backfill", "shop.orders", "--from", "2024-01-01", "--step", "30d", "-q"]) == 0

    assert vars(asked.options) == {
        "selector": "shop.orders",
        "start": "2024-01-01",
        "end": None,
        "step": "30d",
        "resume": None,
        "only": "missing",
        "dry_run": False,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["shop.orders"], id="no beginning"),
        pytest.param(["--from", "2024-01-01"], id="no stream"),
        pytest.param(["shop.orders", "--resume", "01J"], id="both"),
    ],
)
def test_a_backfill_needs_a_range_or_an_id(asked: Asked, arguments: list[str]) -> None:
    """Usage errors before anything is opened."""
    assert run(["backfill", *arguments]) == 2
    assert asked.config is None
