"""The command line: parse, call a service, present. stdout is data, stderr is talk.

`etl --help` must answer at once, so nothing heavy is imported up here: each command imports what it needs when it is
called. What is easy to get wrong: a command that prints data and fails half way must still end with its exit code,
and with one object on stdout under `--json`.
"""
