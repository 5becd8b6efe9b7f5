"""The process: `etl`, or `python -m etl`. Its exit codes are listed in the reference of the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. What typer refuses is a usage error, told as any other error is."""
    from etl.entrypoints.cli.app import build

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
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code if isinstance(code, int) else 0


def _refuse(error: typer.TyperException, arguments: Sequence[str]) -> int:
    from etl.entrypoints.cli.failure import anatomy
    from etl.entrypoints.cli.summary import error_object
    from etl.errors import UsageError
    from etl.listeners.figures import marks_for
    from etl.listeners.printable import Printable

    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "etl")
    refused = UsageError(error.format_message().replace("\n", " "), hint=f"see {path} --help")
    print(anatomy(refused, Printable(), marks_for(sys.stderr).bad), file=sys.stderr)
    if "--json" in arguments and path in ("etl sync", "etl backfill"):
        print(json.dumps(error_object(refused.what, refused.exit_code), indent=2))
    return refused.exit_code


if __name__ == "__main__":
    main()
