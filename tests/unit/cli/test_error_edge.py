"""What ends a command, told once, with the right exit code."""

from __future__ import annotations

import io
import json

import pytest

from etl.entrypoints.cli.options import LogFormat, Shared
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.summary import error_object
from etl.errors import AuthRefused, ConfigError, DatabaseRefused, EtlError, LeaseHeld, Problem, UsageError
from etl.model.secret import Redactor


def session(environ: dict[str, str] | None = None, **shared: object) -> Session:
    made = Session(Shared(**shared), environ or {})
    made.out, made.err = io.StringIO(), io.StringIO()
    return made


def ends(made: Session, error: BaseException) -> int:
    def command() -> int:
        raise error

    return made.guarded(command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(UsageError("no such stream"), 2, id="usage"),
        pytest.param(AuthRefused("401"), 4, id="source"),
        pytest.param(DatabaseRefused("disk full"), 6, id="database"),
        pytest.param(LeaseHeld("held"), 7, id="lease"),
        pytest.param(KeyboardInterrupt(), 130, id="interrupt"),
        pytest.param(BrokenPipeError(), 141, id="reader gone"),
        pytest.param(ExceptionGroup("tasks", [ExceptionGroup("more", [DatabaseRefused("gone")])]), 6, id="group"),
        pytest.param(ExceptionGroup("tasks", [DatabaseRefused("gone"), KeyError("x")]), 1, id="group with a bug"),
        pytest.param(ZeroDivisionError(), 1, id="bug"),
    ],
)
def test_each_end_has_its_exit_code(error: BaseException, code: int) -> None:
    """The table of the reference."""
    assert ends(session(), error) == code


def test_an_error_is_told_in_its_four_parts_and_without_a_traceback() -> None:
    """What, why, hint, data, code; empty parts are left out."""
    made = session()

    ends(made, AuthRefused("shop.orders: 401 on page 1", why="SHOP_TOKEN is wrong", data="nothing written"))

    assert made.err.getvalue().splitlines() == [
        "x shop.orders: 401 on page 1",
        "  why   SHOP_TOKEN is wrong",
        "  data  nothing written",
        "  code  E-AUTH  (etl explain E-AUTH)",
    ]
    assert made.out.getvalue() == ""


def test_every_problem_of_a_configuration_has_its_own_line() -> None:
    """One look mends them all."""
    made = session()
    problems = (
        Problem(
            file="config/a.yaml", line=3, column=5, path="streams.x", message="unknown key", hint="did you mean y?"
        ),
        Problem(file="config/b.yaml", line=0, column=0, path="", message="empty"),
    )

    assert ends(made, ConfigError(problems)) == 2

    assert made.err.getvalue().splitlines() == [
        "x config/a.yaml:3:5: streams.x: unknown key (did you mean y?)",
        "x config/b.yaml: empty",
        "  code  E-CONFIG  (etl explain E-CONFIG)",
    ]


def test_under_json_sync_prints_one_object_when_it_fails() -> None:
    """`run_id` null, no streams, the cause in one line."""
    made = session(json=True)
    made.on_error = error_object

    ends(made, UsageError("no source is called 'gitub'", hint="did you mean github?"))

    assert json.loads(made.out.getvalue()) == {
        "run_id": None,
        "status": "failed",
        "exit_code": 2,
        "reason": "no source is called 'gitub'",
        "seconds": 0.0,
        "streams": [],
    }


def test_in_a_json_log_an_error_is_a_line_of_it() -> None:
    """A log collector reads one object a line, problems included."""
    made = session(log_format=LogFormat.JSON)
    made.logs = True

    ends(made, EtlError("one\ntwo", why="because"))

    line = json.loads(made.err.getvalue())
    assert (line["event"], line["level"], line["what"], line["why"]) == (
        "command.failed",
        "error",
        "one\\ntwo",
        "because",
    )


def test_a_bug_shows_its_traceback_without_secrets() -> None:
    """Secrets of the configuration and of the environment are masked, also in a traceback."""
    made = session({"SHOP_TOKEN": "tok-from-environment", "HOME": "/root"})
    made.redactor = Redactor(["tok-from-config"])

    code = ends(made, RuntimeError("tok-from-environment and tok-from-config"))

    told = made.err.getvalue()
    assert code == 1
    assert "Traceback" in told
    assert "*** and ***" in told
    assert "tok-from" not in told.replace('"tok-from', "")


def test_an_error_that_cannot_be_told_keeps_its_exit_code() -> None:
    """A closed stderr is no reason for another code."""
    made = session()
    made.err.close()

    assert ends(made, UsageError("x")) == 2
