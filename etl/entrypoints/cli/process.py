"""The outermost edge: arguments in, exit code out. What typer refuses is told as any other usage error is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from etl.entrypoints.cli.app import build
from etl.entrypoints.cli.failure import anatomy
from etl.entrypoints.cli.session import BROKEN_PIPE
from etl.entrypoints.cli.summary import error_object
from etl.errors import UsageError
from etl.listeners.figures import marks_for
from etl.listeners.printable import Printable


def run(arguments: Sequence[str]) -> int:
    """Run one command. stdout and stderr are those of the process, and stay open."""
    for stream in (sys.stdout, sys.stderr):
        # A locale that cannot write a character must not end a command half way.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper, outside tests
    try:
        code = build()(args=list(arguments), prog_name="etl", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _refuse(error, arguments)
    except typer.Abort:
        print(file=sys.stderr)  # behind the question that was not answered
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code if isinstance(code, int) else 0


def _refuse(error: typer.TyperException, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "etl")
    refused = UsageError(error.format_message().replace("\n", " "), hint=f"see {path} --help")
    print(anatomy(refused, Printable(), marks_for(sys.stderr).bad), file=sys.stderr)
    if "--json" in arguments and path in ("etl sync", "etl backfill"):
        print(json.dumps(error_object(refused.what, refused.exit_code), indent=2))
    return refused.exit_code
