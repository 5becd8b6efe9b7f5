"""`python -m etl.testing`: the bundled API as a process of its own, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from etl.model.instants import parse_duration
from etl.testing.behaviour import Behaviour
from etl.testing.fault_plan import plan
from etl.testing.server import DEFAULT_PORT, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 after a stop, 2 for a wrong command line or a port that is taken."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    behaviour = Behaviour(latency_s=options.latency, capacity=options.capacity, rate=options.rate)
    async with serve(
        host=options.host,
        port=options.port,
        seed=options.seed,
        items=options.items,
        orders=options.orders,
        customers=options.customers,
        behaviour=behaviour,
        faults=plan(options.faults, options.seed),
    ) as api:
        sizes = f"{options.items:,} items, {options.orders:,} orders, {options.customers:,} customers"
        sys.stdout.write(f"Bundled API at {api.url} ({sizes}; faults: {options.faults})\n")
        sys.stdout.flush()
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etl.testing", description="Serve the bundled API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the data and the faults follow from it (default: 1)")
    parser.add_argument("--latency", type=_seconds, default=0.0, metavar="TIME", help="before every answer, as in 50ms")
    parser.add_argument("--faults", choices=("none", "some", "many"), default="none", help="(default: %(default)s)")
    parser.add_argument("--items", type=_count, default=1000, help="rows of /api/items and /lists/... (default: 1000)")
    parser.add_argument("--orders", type=_count, default=12_400, help="rows of /api/orders (default: 12400)")
    parser.add_argument("--customers", type=_count, default=900, help="rows of /api/customers (default: 900)")
    parser.add_argument(
        "--capacity", type=_count, metavar="N", help="429 above N requests in flight (default: no limit)"
    )
    parser.add_argument("--rate", type=float, metavar="N", help="429 above N requests a second (default: no limit)")
    return parser


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
