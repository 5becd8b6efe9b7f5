"""The process: `etl`, or `python -m etl`. Its exit codes are listed in the reference of the command line."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    gc.set_threshold(200_000, 20, 50)  # starting makes many objects and no garbage; a command that works lowers it
    from etl.entrypoints.streams import prepare_standard_streams

    prepare_standard_streams()
    from etl.entrypoints.cli.process import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
