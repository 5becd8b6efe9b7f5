"""How a command comes to typer: its own parameters, the shared options, an example in its help, and the error edge.

A command is a function `(session, ...) -> int`; its first parameter is the session, its result the exit code.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Concatenate, ParamSpec, get_type_hints

import typer

from etl.entrypoints.cli.options import SHARED, Shared
from etl.entrypoints.cli.session import Session

P = ParamSpec("P")
_FIELDS = tuple(field.name for field in fields(Shared))


def add(
    app: typer.Typer, name: str, function: Callable[Concatenate[Session, P], int], *, example: str, panel: str = ""
) -> None:
    """Make `function` the command `name` of `app`. `example` is one line, or several, without the prompt."""
    app.command(name, epilog=_epilog(example), rich_help_panel=panel or None)(with_shared(function))


def with_shared(function: Callable[Concatenate[Session, P], int]) -> Callable[..., int]:
    """The same function for typer: a context and the shared options instead of the session."""
    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in list(inspect.signature(function).parameters.values())[1:]
    ]

    def run(ctx: typer.Context, **values: Any) -> int:
        given = Shared(**{name: values.pop(name) for name in _FIELDS})
        earlier = ctx.obj if isinstance(ctx.obj, Shared) else Shared()
        session = Session(given.over(earlier), os.environ)
        return session.guarded(lambda: function(session, **values))  # type: ignore[call-arg]  # typer checked them

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *own, *shared_parameters()])  # type: ignore[attr-defined]
    run.__annotations__ = {"ctx": typer.Context, **hints, **SHARED}
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def shared_parameters() -> list[inspect.Parameter]:
    """The shared options as keyword parameters with the defaults of `Shared`."""
    defaults = Shared()
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, name), annotation=SHARED[name]
        )
        for name in _FIELDS
    ]


def _epilog(example: str) -> str:
    # \b keeps click from joining the lines.
    word = "Examples:" if "\n" in example else "Example:"
    return "\b\n" + word + "\n" + "\n".join(f"  {line}" for line in example.splitlines())
