"""Play seeded worlds, as many as asked for. Failing seeds are told so that they can be repeated."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from worlds.kinds import KINDS
from worlds.story import Trace, play

_POOL = 200
"""Seeds that one process plays before it is replaced."""


def main() -> int:
    """The command line; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="worlds", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one, and tell it")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--kind", choices=sorted(KINDS))
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    if asked.seed is not None:
        return _tell(play(asked.seed, asked.kind))
    return _play_many(range(asked.first, asked.first + asked.seeds), asked.kind, asked.jobs)


def _play_many(seeds: range, kind: str | None, jobs: int) -> int:
    failed, tally, started = 0, Counter[str](), time.monotonic()
    for trace in _traces(seeds, kind, jobs):
        tally.update(runs=trace.runs, killed=trace.killed, verified=trace.verified, requests=trace.requests)
        if trace.failure:
            failed += 1
            print(f"make simulate SEED={trace.seed} KIND={trace.kind}   # {trace.failure}", flush=True)
    seconds = time.monotonic() - started
    told = ", ".join(f"{count:,} {what}" for what, count in tally.items())
    print(f"{len(seeds):,} seeds in {seconds:,.0f} s, {failed} failed; {told}", file=sys.stderr)
    return 1 if failed else 0


def _traces(seeds: range, kind: str | None, jobs: int) -> Iterator[Trace]:
    # What was killed half-way is not always collected: processes are replaced before it matters. Whole pools are,
    # because `max_tasks_per_child` can wait for ever where a child leaves as the last task is given out (gh-115634).
    context = multiprocessing.get_context("spawn")
    for at in range(0, len(seeds), _POOL * jobs):
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            yield from pool.map(partial(play, kind=kind), seeds[at : at + _POOL * jobs])


def _tell(trace: Trace) -> int:
    print("\n".join([f"seed {trace.seed}, {trace.kind}", *trace.lines]))
    print(trace.failure or "every promise was kept")
    return 1 if trace.failure else 0


if __name__ == "__main__":
    sys.exit(main())
