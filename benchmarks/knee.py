"""`python -m benchmarks.knee`: the adapting concurrency against every fixed one, on servers with a hidden capacity.

Up to its capacity the server answers after the latency; beyond it answers take longer in proportion, as in a queue, and
from half as many again it refuses with 429. Nobody is told the capacity. The best of the fixed settings is what
somebody who knew it would write; the adapting one has nothing set.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from benchmarks.__main__ import WORK, served
from benchmarks.contestants import CONFIG
from benchmarks.measuring import Taken, ask, take

FIXED = (4, 8, 12, 16, 24, 32, 48, 64, 100, 200)
HEADINGS = (
    "capacity",
    "best fixed",
    "its s",
    "adapting s",
    "ratio",
    "429 of requests",
    "peak in flight",
    "twice the best",
)


def sync(api: str, size: int, concurrency: int | None) -> Taken:
    """One sync of the whole list into an empty SQLite file, as a process."""
    folder = WORK / "knee"
    shutil.rmtree(folder, ignore_errors=True)
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "bench.yaml").write_text(CONFIG.format(api=api, size=size))
    command = [str(Path(sys.executable).parent / "etl"), "sync", "--config", str(config), "-q"]
    command += ["--database", f"sqlite:///{folder / 'bench.db'}"]
    if concurrency is not None:
        command += ["--concurrency", str(concurrency)]
    return take(command, folder, api, environ={}, server=None, limit_s=600)


def measure(api: str, capacity: int, given: argparse.Namespace) -> None:
    """Sweep the fixed settings and the adapting one in turn, and print a line of the table."""
    ask(
        f"{api}/control?total={given.pages * given.size}&size={given.size}&latency_ms={given.latency_ms}"
        f"&capacity={capacity}"
    )
    taken: dict[int | None, list[Taken]] = {}
    for _ in range(given.rounds):
        for setting in (None, *(fixed for fixed in FIXED if capacity / 4 <= fixed <= 4 * capacity)):
            taken.setdefault(setting, []).append(sync(api, given.size, setting))
    walls = {setting: statistics.median(each.wall_s for each in some) for setting, some in taken.items()}
    ours = walls.pop(None)
    # A setting that is refused again and again is none that anybody would keep.
    calm = {setting: wall for setting, wall in walls.items() if setting and _refused(taken[setting]) < 0.01}
    best = min(calm, key=lambda setting: calm[setting])
    twice = min((setting for setting in walls if setting and setting >= 2 * best), default=best)
    peak = max(each.peak_in_flight for each in taken[None])
    print(
        f"| {capacity} | {best} | {calm[best]:.2f} | {ours:.2f} | {ours / calm[best]:.2f} | "
        f"{100 * _refused(taken[None]):.2f} % | {peak} | {twice}: {walls[twice]:.2f} s, "
        f"{100 * _refused(taken[twice]):.1f} % refused |",
        flush=True,
    )


def _refused(some: list[Taken]) -> float:
    return sum(each.refused for each in some) / sum(each.requests for each in some)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.knee", description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=20, help="items a page (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--capacity", type=int, nargs="+", default=[8, 40, 200])
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{'---:|' * len(HEADINGS)}", flush=True)
    with served() as api:
        for capacity in given.capacity:
            measure(api, capacity, given)


if __name__ == "__main__":
    main()
