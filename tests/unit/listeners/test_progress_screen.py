"""The screen on a console: what stays on it, and that it never raises."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from etl.listeners.progress import ProgressScreen
from etl.model.events import RunFinished, StreamFinished, Warned
from etl.model.secret import Redactor


def console(out: io.StringIO) -> Console:
    return Console(file=out, force_terminal=False, width=100, color_system=None)


def test_what_stays_is_the_head_warnings_and_failures(clock, started, bad, ended) -> None:
    """The region is gone at the end; the summary is printed by the command."""
    out = io.StringIO()
    screen = ProgressScreen(console(out), clock=clock, redact=Redactor(["hidden-token"]))

    screen(started)
    screen(Warned(stream="shop.orders", message="hidden-token\x1b[2J seen"))
    screen(StreamFinished(result=bad))
    screen(RunFinished(result=ended))

    told = out.getvalue()
    assert "shop -> sqlite data.db   run 01JDB7Q4" in told
    assert "! shop.orders: ***\\u001b[2J seen" in told
    assert "x shop.orders failed: 401 on page 1" in told
    assert "\x1b" not in told


def test_events_in_any_order_raise_nothing(clock, good, ended) -> None:
    """A screen that was never begun ignores what it cannot draw; closing twice is fine."""
    screen = ProgressScreen(console(io.StringIO()), clock=clock)

    screen(StreamFinished(result=replace(good, exit_code=5)))
    screen(RunFinished(result=ended))
    screen.close()
    screen.close()
