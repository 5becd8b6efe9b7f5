"""`python -m benchmarks`: run contestants through scenarios in turn, and print medians as Markdown tables."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, Contestant, Task
from benchmarks.databases import Postgresql, Sqlite
from benchmarks.measuring import Failed, Taken, ask, take

Database = Sqlite | Postgresql
CHANGED = 2
"""The load before which some items change."""
WORK = Path(__file__).parent.parent / ".bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A list to load, and how often: first, again unchanged, and again with one item in a hundred changed."""

    title: str
    pages: int
    size: int = 100
    latency_ms: float = 0.0
    loads: int = 1
    databases: tuple[str, ...] = ("sqlite", "postgresql")
    contestants: tuple[str, ...] = ("floor", "ours")
    limit_s: float = 600.0


PEERS = ("floor", "ours", "dlt", "dlt-expert")
QUICK = (
    Scenario(title="10 pages: what starting costs", pages=10, contestants=PEERS),
    Scenario(title="1,000 pages, first load", pages=1000, contestants=PEERS),
    Scenario(title="1,000 pages, 50 ms latency", pages=1000, latency_ms=50, contestants=PEERS),
    Scenario(title="1,000 pages: first, unchanged, 1 % changed", pages=1000, loads=3),
)
FULL = (
    *QUICK,
    Scenario(title="200 pages of 1,000 items, 20 ms latency", pages=200, size=1000, latency_ms=20, contestants=PEERS),
    Scenario(title="growth: 100 pages", pages=100),
    Scenario(title="growth: 10,000 pages", pages=10_000),
    # Its second load into SQLite grows with the square of the rows: more than 200 s for 1,000 pages.
    Scenario(title="200 pages: first, unchanged, 1 % changed, with dlt", pages=200, loads=3, contestants=PEERS),
)
PLANS = {"quick": QUICK, "full": FULL}


HEADINGS = (
    "contestant", "load", "wall s", "min–max", "x floor", "x ours", "CPU s", "CPU ms a page", "DB CPU s", "peak MB",
    "requests", "in flight", "rows",
)  # fmt: skip


@dataclass(slots=True)
class Line:
    """What a contestant took for one load, in every round."""

    name: str
    load: int
    rows: int
    taken: list[Taken]

    def median(self, what: str) -> float:
        return float(statistics.median(getattr(each, what) for each in self.taken))


def run(scenario: Scenario, kind: str, database: Database, api: str, *, only: Sequence[str], rounds: int) -> list[Line]:
    """The contestants in turn, round by round, so that a slow minute of the machine hits all of them."""
    total = scenario.pages * scenario.size
    ask(f"{api}/control?total={total}&size={scenario.size}&latency_ms={scenario.latency_ms}")
    lines: dict[tuple[str, int], Line] = {}
    out: set[str] = set()
    for _ in range(rounds):
        for name in scenario.contestants:
            if name in out or name not in only:
                continue
            try:
                for load, rows, taken in _loads(scenario, CONTESTANTS[name], kind, database, api):
                    lines.setdefault((name, load), Line(name, load, rows, [])).taken.append(taken)
            except Failed as failed:
                print(f"{name} on {kind}: {failed}", flush=True)
                out.add(name)
    return list(lines.values())


def _loads(
    scenario: Scenario, contestant: Contestant, kind: str, database: Database, api: str
) -> Iterator[tuple[int, int, Taken]]:
    if reason := contestant.missing(WORK):
        raise Failed(f"skipped: {reason}")
    folder = WORK / f"{contestant.name}-{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with database.empty(folder) as url:
        task = Task(
            api=api,
            database=url,
            folder=folder,
            pages=scenario.pages,
            size=scenario.size,
            latency_ms=scenario.latency_ms,
        )
        command = contestant.command(task)
        for load in range(scenario.loads):
            ask(f"{api}/control?changed={int(load == CHANGED)}")
            taken = take(command, folder, api, environ={}, server=database.pid, limit_s=scenario.limit_s)
            yield load, database.rows(url, contestant.table), taken
    shutil.rmtree(folder, ignore_errors=True)


def report(scenario: Scenario, kind: str, lines: Sequence[Line]) -> None:
    """One table; `x floor` and `x ours` are ratios of medians within it."""
    print(f"\n### {scenario.title}, {kind}\n")
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    floors = {line.load: line.median("wall_s") for line in lines if line.name == "floor"}
    ours = {line.load: line.median("wall_s") for line in lines if line.name == "ours"}
    for line in lines:
        wall, cpu = line.median("wall_s"), line.median("cpu_s")
        ratio = f"{wall / floors[line.load]:.2f}" if line.load in floors else ""
        to_ours = f"{wall / ours[line.load]:.2f}" if line.load in ours else ""
        walls = [each.wall_s for each in line.taken]
        print(
            f"| {line.name} | {line.load + 1} | {wall:.2f} | {min(walls):.2f}–{max(walls):.2f} | {ratio} | {to_ours} | "
            f"{cpu:.2f} | {1000 * cpu / scenario.pages:.2f} | {line.median('database_s'):.2f} | "
            f"{line.median('peak_mb'):.0f} | "
            f"{line.median('requests'):.0f} | {line.median('peak_in_flight'):.0f} | {line.rows:,} |",
            flush=True,
        )


@contextmanager
def served() -> Iterator[str]:
    """The API in a process of its own; its base URL."""
    command = (sys.executable, str(Path(__file__).parent / "api.py"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--plan", choices=PLANS, default="quick", help="(default: %(default)s, a few minutes)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is told (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="contestants")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="(default: both)")
    parser.add_argument("--scenario", help="only those whose title holds this")
    parser.add_argument("--pages", type=int, help="another number of pages for every scenario")
    given = parser.parse_args()
    with ExitStack() as stack:
        databases: dict[str, Database] = {"sqlite": Sqlite()}
        if given.database != "sqlite":
            databases["postgresql"] = stack.enter_context(Postgresql(WORK))
        api = stack.enter_context(served())
        for scenario in PLANS[given.plan]:
            if given.scenario and given.scenario not in scenario.title:
                continue
            chosen = replace(scenario, pages=given.pages or scenario.pages)
            for kind, database in databases.items():
                if given.database in (None, kind) and kind in scenario.databases:
                    report(chosen, kind, run(chosen, kind, database, api, only=given.only, rounds=given.rounds))


if __name__ == "__main__":
    main()
