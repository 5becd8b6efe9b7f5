"""`etl demo`: the bundled API, two syncs, a query; no network and no account.

It uses nothing but what a user has: the same configuration files, the same sync, the same tables.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etl.errors import UsageError
from etl.model.events import Event, SchemaChanged
from etl.model.run import RunResult, StreamResult
from etl.ports import Listener, Stop
from etl.query import open_query
from etl.query.formats import write_text
from etl.service.app import App
from etl.service.sync import SyncOptions, sync
from etl.testing import demo as story
from etl.testing.server import ApiServer

Say = Callable[[str], None]


class OpenApp(Protocol):
    """What `bootstrap` offers."""

    def __call__(
        self, config: Path, database: str | None, environ: Mapping[str, str], listener: Listener
    ) -> AbstractAsyncContextManager[App]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Where the demo lives and how it talks."""

    directory: Path
    open_app: OpenApp
    stop: Stop
    say: Say


async def demo(show: Demo) -> int:
    """Tell the story; the exit code of its syncs. Raises UsageError when the directory holds something else."""
    config, database = show.directory / "config", show.directory / "data.db"
    _prepare(show.directory, config, database)
    async with story.demo_api() as api:
        for name, text in story.files(api.url).items():
            (config / name).write_text(text, encoding="utf-8")
        _tell_places(show, api, config, database)
        code = await _two_syncs(show, api, config)
    if code == 0:
        _ask(show, database)
        _tell_what_next(show)
    return code


async def _two_syncs(show: Demo, api: ApiServer, config: Path) -> int:
    columns: list[str] = []

    def heard(event: Event) -> None:
        if isinstance(event, SchemaChanged):
            columns.extend(f"{change.column} ({change.new})" for change in event.changes if change.old is None)

    async with show.open_app(config, None, {}, heard) as app:
        show.say("1/3  First sync")
        first = await sync(app, SyncOptions(selectors=story.FIRST_SYNC), show.stop)
        _tell_streams(show, first)
        orders = api.state.advance()["orders"]
        changed = len(orders.updated) + len(orders.inserted)
        columns.clear()
        show.say(f"\n2/3  Meanwhile {changed:,} orders changed or came, with a new field. Second sync")
        second = await sync(app, SyncOptions(selectors=story.SECOND_SYNC), show.stop)
        _tell_streams(show, second)
        if columns:
            show.say(f"     new column: {', '.join(columns)}")
    return first.exit_code or second.exit_code


def _prepare(directory: Path, config: Path, database: Path) -> None:
    """A new demo begins with an empty database; only a directory that holds a demo is used again."""
    known = {"config", "data.db", "data.db-wal", "data.db-shm"}
    if directory.exists() and not {path.name for path in directory.iterdir()} <= known:
        raise UsageError(f"{directory} holds something that is no demo", hint="name another place: etl demo --dir DIR")
    for name in ("data.db", "data.db-wal", "data.db-shm"):
        database.with_name(name).unlink(missing_ok=True)
    config.mkdir(parents=True, exist_ok=True)


def _tell_places(show: Demo, api: ApiServer, config: Path, database: Path) -> None:
    show.say(
        f"Bundled API  {api.url}: {story.ORDERS:,} orders, {story.CUSTOMERS:,} customers; answers some 429 and 500"
    )
    show.say(f"Config       {config / 'shop.yaml'}")
    show.say(f"Database     {database}\n")


def _tell_streams(show: Demo, result: RunResult) -> None:
    for stream in result.streams:
        show.say(_line(stream))
    requests = sum(stream.counts.requests for stream in result.streams)
    retries = sum(stream.counts.retries for stream in result.streams)
    show.say(f"     {requests:,} requests, {retries:,} of them tried again, {result.seconds:.1f} s")


def _line(stream: StreamResult) -> str:
    counts = stream.counts
    told = [f"{counts.pages:,} pages".rjust(10), f"{counts.inserted:,} inserted".rjust(16)]
    told += [f"{counts.updated:,} updated".rjust(12), f"{counts.rejected:,} rejected".rjust(11)]
    return f"     {stream.stream:<15}{''.join(told)}   {stream.verdict or stream.status}: {stream.reason}"


def _ask(show: Demo, database: Path) -> None:
    show.say(f'\n3/3  Ask it something:  etl query "{story.QUERY}"')
    with open_query(f"sqlite:///{database}") as opened:
        rows = io.StringIO()
        write_text(opened.run(story.QUERY), "table", rows)
    show.say(textwrap.indent(rows.getvalue().rstrip(), "     "))


def _tell_what_next(show: Demo) -> None:
    config = show.directory / "config"
    show.say("\nNext  the three orders that did not fit:")
    show.say(f"        etl rejects list --config {config}")
    show.say("      your own API: a file like config/shop.yaml, then etl sync")
