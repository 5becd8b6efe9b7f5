"""What measures speed: whole processes, on one machine, in turn. Run `make bench`, or `python -m benchmarks --help`.

Nothing here is asserted, and nothing in the package depends on it.
"""
