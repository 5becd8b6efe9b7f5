"""`etl query`: one read-only statement on the result; stdout holds nothing but its rows."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.spans import span_option
from etl.errors import UsageError


class Output(StrEnum):
    """The form of the rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def query(
    session: Session,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One statement that only reads")],
    params: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="Value of :NAME in the statement", show_default=False),
    ] = None,
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="Form of the rows; default: table on a terminal, else csv")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write there; its ending may choose the form")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, metavar="N", help="At most N rows; default: 50 on a terminal")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="SPAN", help="How long the statement may take")] = "30s",
) -> int:
    """Ask the database; what writes is refused, and nothing is ever changed."""
    from etl.query import run_query

    form = _form(session, output, out)
    values = dict(_parameter(text) for text in params or ())
    url = session.database_url()
    return asyncio.run(run_query(url, sql, values, timeout=span_option("--timeout", timeout).total_seconds(), limit=limit, form=form, out=out))


def _form(session: Session, output: Output | None, out: Path | None) -> Output:
    """The form asked for: `-o`, then `--json`, then the ending of the file, then what stdout is."""
    if output is not None:
        return output
    if session.shared.json:
        return Output.JSON
    if out is not None:
        ending = out.suffix.lstrip(".").lower()
        return Output(ending) if ending in set(Output) else Output.CSV
    return Output.TABLE if sys.stdout.isatty() else Output.CSV


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"-p {text!r} is no parameter", hint="write it as NAME=VALUE, as in -p state=open")
    return name, value

