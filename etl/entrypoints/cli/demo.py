"""`etl demo`: the whole way in half a minute, without a network, an account or a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from etl.entrypoints.cli.session import Session


def demo(
    session: Session,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where its configuration and its database go")
    ] = Path("demo"),
) -> int:
    """Try it now, without network. A bundled API, two syncs, a query; no account is needed."""
    from etl.service.demo import demo as show

    return asyncio.run(show(directory, print_line=session.data))
