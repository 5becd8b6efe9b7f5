"""Questions to the database that can change nothing, and the formats of their answers.

Easy to get wrong: a read-only transaction alone stops neither `ATTACH` nor `COPY ... TO PROGRAM`, so a statement goes
through an authorizer on SQLite and through a declared cursor on PostgreSQL. `open_query` blocks; `run_query` and
`write` are for asynchronous code.
"""

from etl.query.formats import FORMATS, write
from etl.query.readonly import Query, Result, open_query, read_parameters, run_query

__all__ = ["FORMATS", "Query", "Result", "open_query", "read_parameters", "run_query", "write"]
