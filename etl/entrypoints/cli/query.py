"""`etl query`: one read-only statement on the result; stdout holds nothing but its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.spans import span_option
from etl.errors import UsageError

_SCREENFUL: Final = 50


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
    *,
    params: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="Value of :NAME in the statement", show_default=False),
    ] = None,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Form of the rows; default: table")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write there; its ending may choose the form")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, metavar="N", help="At most N rows; default: 50 on a terminal")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="SPAN", help="How long the statement may take")] = "30s",
) -> int:
    """Ask the database by SQL. What writes is refused, and nothing is ever changed."""
    session.on_error = None  # stdout holds nothing but rows
    form = _form(session, output, out)
    values = dict(_parameter(text) for text in params or ())
    timeout_s = span_option("--timeout", timeout).total_seconds()
    most = limit if limit is not None else _default_limit(session, form, out)
    with session.writing("stdout" if out is None else str(out)):
        shown = asyncio.run(
            _answer(session.database_url(), sql, values, timeout_s=timeout_s, limit=most, form=form, out=out)
        )
    if limit is None and shown == most:
        session.say(f"these are the first {shown}; more with --limit N, all of them with -o csv")
    return 0


async def _answer(
    url: str,
    sql: str,
    params: Mapping[str, str],
    *,
    timeout_s: float,
    limit: int | None,
    form: Output,
    out: Path | None,
) -> int:
    """Stream the rows to stdout or to a file; how many there were."""
    from etl.query import run_query
    from etl.query.formats import write

    async with run_query(url, sql, params, timeout=timeout_s, limit=limit) as result:
        return await write(result, str(form), out)


def _default_limit(session: Session, form: Output, out: Path | None) -> int | None:
    """A person at a terminal sees fifty rows; a pipe and a file get all."""
    return _SCREENFUL if form is Output.TABLE and out is None and session.out.isatty() else None


def _form(session: Session, output: Output | None, out: Path | None) -> Output:
    """The form asked for: `-o`, then `--json`, then the ending of the file, else a table."""
    if output is not None:
        return output
    if session.shared.json:
        return Output.JSON
    if out is not None:
        ending = out.suffix.lstrip(".").lower()
        return Output(ending) if ending in set(Output) else Output.CSV
    return Output.TABLE


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"-p {text!r} is no parameter", hint="write it as NAME=VALUE, as in -p state=open")
    return name, value
