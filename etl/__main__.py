"""The process: `etl`, or `python -m etl`. Its exit codes are listed in the reference of the command line."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    gc.set_threshold(50_000, 20, 50)  # rows are made by the thousand and hold no circles; looking for some costs a tenth
    from etl.entrypoints.cli.process import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
