"""`etl demo`: the whole way in a few seconds, without a network, an account or a file."""

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
    from etl.bootstrap import open_app
    from etl.entrypoints.signals import Signals
    from etl.service.demo import Demo
    from etl.service.demo import demo as tell

    async def show() -> int:
        async with Signals() as stop:
            return await tell(Demo(directory=directory, open_app=open_app, stop=stop, say=session.data))

    return asyncio.run(show())
