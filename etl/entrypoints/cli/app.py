"""All commands in one place, in the order of the help."""

from __future__ import annotations

import inspect
import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from etl.entrypoints.cli import rejects, runs, state
from etl.entrypoints.cli.backfill import backfill
from etl.entrypoints.cli.check import check
from etl.entrypoints.cli.command import add, shared_parameters
from etl.entrypoints.cli.demo import demo
from etl.entrypoints.cli.explain import explain
from etl.entrypoints.cli.init import init
from etl.entrypoints.cli.migrate import migrate
from etl.entrypoints.cli.options import SHARED, Shared
from etl.entrypoints.cli.plan import plan
from etl.entrypoints.cli.preview import preview
from etl.entrypoints.cli.query import query
from etl.entrypoints.cli.schema import schema
from etl.entrypoints.cli.serve import serve
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.status import status
from etl.entrypoints.cli.sync import sync
from etl.entrypoints.cli.welcome import version, welcome

_EPILOG = """\b
Examples:
  etl demo
  etl sync github
  etl query "select * from github_issues limit 10"
"""


def build() -> typer.Typer:
    """The command line, with every command; nothing heavy is imported."""
    app = _group()
    app.callback(invoke_without_command=True, epilog=_EPILOG)(_root())
    add(app, "demo", demo, example="etl demo")
    add(
        app,
        "init",
        init,
        example="etl init https://pokeapi.co/api/v2/pokemon\n"
        "etl init https://api.github.com/repos/encode/httpx/issues --bearer GITHUB_TOKEN",
    )
    add(app, "check", check, example="etl check\netl check github --offline")
    add(app, "preview", preview, example="etl preview github.issues\netl preview github.issues -n 3 -o json")
    add(app, "plan", plan, example="etl plan\netl plan github --probe --exit-code")
    add(app, "sync", sync, example="etl sync\netl sync github.issues --full\netl sync 'git*' tag:hourly --json")
    add(
        app,
        "backfill",
        backfill,
        example="etl backfill stripe.charges --from 2024-01-01 --to 2025-01-01 --step 30d\netl backfill --resume ID",
    )
    add(app, "serve", serve, example="etl serve\netl serve --run-due")
    add(app, "status", status, example="etl status\netl status github --json")
    _add_runs(app)
    add(
        app,
        "query",
        query,
        example='etl query "select state, count(*) from github_issues group by 1"\n'
        'etl query "select * from github_issues where state = :state" -p state=open -o csv',
    )
    _add_rejects(app)
    _add_state(app)
    add(app, "schema", schema, example="etl schema > config/.schema.json")
    add(app, "migrate", migrate, example="etl migrate --database postgresql://etl@db/warehouse")
    add(app, "explain", explain, example="etl explain E-AUTH")
    return app


def _add_runs(app: typer.Typer) -> None:
    group = _group(_ShowsFirst)
    add(group, "list", runs.list_runs, example="etl runs list --since 7d --status failed")
    add(group, "show", runs.show_run, example="etl runs show 01JDB7Q4")
    add(group, "prune", runs.prune_runs, example="etl runs prune --keep 90d")
    app.add_typer(group, name="runs", help="History: list, show, prune.")


def _add_rejects(app: typer.Typer) -> None:
    group = _group(_ShowsFirst)
    add(group, "list", rejects.list_rejects, example="etl rejects list github")
    add(group, "show", rejects.show_reject, example="etl rejects show 17")
    add(group, "replay", rejects.replay_rejects, example="etl rejects replay github.issues")
    app.add_typer(group, name="rejects", help="Items that did not become rows: list, show, replay.")


def _add_state(app: typer.Typer) -> None:
    group = _group(_ShowsFirst)
    add(group, "show", state.show_state, example="etl state show github.issues")
    add(group, "set", state.set_state, example="etl state set github.issues 2026-01-01T00:00:00Z")
    add(group, "reset", state.reset_state, example="etl state reset github.issues --yes")
    app.add_typer(group, name="state", help="Watermarks: show, set, reset.")


class _ShowsFirst(TyperGroup):
    """`etl runs` is `etl runs list`: without the name of a command, the first of the group runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options without a command are those of the first one."""
        asks_help = args[:1] == ["--help"] or args[:1] == ["-h"]
        if not asks_help and (not args or args[0].startswith("-")):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def _group(cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    # Without markup, typer leaves rich alone: the help answers in half the time.
    return typer.Typer(
        cls=cls,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def _root() -> Any:
    """The callback of the root: shared options before the command's name, and `etl` alone."""

    def root(ctx: typer.Context, show_version: bool, **values: Any) -> int | None:
        """Keep SQL tables in step with paginated REST and GraphQL APIs, and prove that everything was read."""
        given = Shared(**values)
        ctx.obj = given
        if show_version:
            print(version())
            raise typer.Exit
        if ctx.invoked_subcommand is not None:
            return None
        session = Session(given, os.environ)
        raise typer.Exit(session.guarded(lambda: welcome(session)))

    flag = Annotated[bool, typer.Option("--version", help="Print the version and exit")]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        inspect.Parameter("show_version", keyword, default=False, annotation=flag),
        *shared_parameters(),
    ]
    root.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    root.__annotations__ = {"ctx": typer.Context, "show_version": flag, **SHARED}
    return root
