"""The state tables: private, named `_etl_*`, made and changed only by the revisions in `migrations/`.

Everything a run knows lives here, in the database of the data, so that rows, ledger and watermark can share a
transaction. People read the views (`etl_runs`, `etl_pages`, ...), which stay stable while these tables may change.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from etl.db.types import Instant

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# SQLite counts only INTEGER PRIMARY KEY up by itself; BIGINT would not.
_Counter = BigInteger().with_variant(Integer(), "sqlite")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


runs = Table(
    "_etl_runs",
    metadata,
    Column("run_id", Text, primary_key=True),  # sortable by time
    Column("kind", Text, nullable=False),  # model.run.RunKind
    Column("trigger", Text, nullable=False),  # model.run.RunTrigger
    Column("status", Text, nullable=False),  # model.run.RunStatus
    Column("exit_code", Integer),
    Column("selection", Text, nullable=False, server_default=""),
    Column("version", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("seconds", Double),
)

run_streams = Table(
    "_etl_run_streams",
    metadata,
    Column("ordinal", _Counter, primary_key=True, autoincrement=True),  # the high half of every `_etl_seq` of the run
    Column("run_id", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("generation", Text, nullable=False),  # run id of the first run of the generation
    Column("fingerprint", Text, nullable=False),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("status", Text, nullable=False),
    Column("verdict", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("hint", Text, nullable=False, server_default=""),
    Column("error_code", Text, nullable=False, server_default=""),
    Column("exit_code", Integer),
    Column("since", Text),  # canonical cursor the reading begins at, null for the whole list
    Column("until", Text),  # canonical cursor it ends before
    Column("upper_bound", Instant),  # U
    Column("watermark_before", Text),
    Column("watermark_after", Text),
    Column("total_rows", BigInteger),  # what the server claimed last
    Column("members", Text),  # JSON: how each member of for_each ended
    _count("pages"),
    _count("requests"),
    _count("retries"),
    _count("fetched"),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("rejected"),
    _count("bytes"),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("seconds", Double),
    Index(None, "stream", "ordinal"),
    Index(None, "run_id"),
)

pages = Table(
    "_etl_pages",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("ordinal", BigInteger, nullable=False),  # of run_streams
    Column("generation", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("member", Text, nullable=False, server_default=""),
    Column("win_start", Text, nullable=False, server_default=""),
    Column("win_end", Text, nullable=False, server_default=""),
    Column("position", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("purpose", Text, nullable=False, server_default="read"),
    Column("page_ordinal", Integer, nullable=False, server_default="0"),
    Column("seq", BigInteger, nullable=False),
    _count("items"),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("rejected"),
    _count("bytes"),
    _count("tries"),
    Column("first_key", Text),
    Column("last_key", Text),
    Column("key_digests", LargeBinary),  # dropped when the generation closes
    Column("digest", LargeBinary),
    Column("total_rows", BigInteger),
    Column("total_pages", BigInteger),
    Column("next_cursor", Text),  # JSON text
    Column("next_link", Text),  # without credentials
    Column("more", Boolean),
    Column("token", Text),  # of a change feed; opaque
    Column("min_cursor", Text),
    Column("max_cursor", Text),
    Column("future_rows", BigInteger, nullable=False, server_default="0"),
    Column("outside_rows", BigInteger, nullable=False, server_default="0"),
    Column("order_broken", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("status", Integer, nullable=False),
    Column("served_at", Instant),
    Column("requested_at", Instant, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("committed_at", Instant, nullable=False),
    UniqueConstraint("generation", "stream", "member", "win_start", "win_end", "position", "attempt"),
    Index(None, "ordinal"),
)

failed_tries = Table(
    "_etl_failed_tries",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("ordinal", BigInteger, nullable=False),
    Column("stream", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("url", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False),
    Column("status", Integer),
    Column("requested_at", Instant, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("wait_s", Double, nullable=False),
    Index(None, "ordinal"),
)

rejects = Table(
    "_etl_rejects",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("ordinal", BigInteger, nullable=False),
    Column("stream", Text, nullable=False),
    Column("member", Text, nullable=False, server_default=""),
    Column("position", Text, nullable=False),
    Column("item", Integer, nullable=False),  # index in its page
    Column("seq", BigInteger, nullable=False),
    Column("key", Text),
    Column("path", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("rejected_at", Instant, nullable=False),
    Column("replayed_at", Instant),
    Index(None, "stream", "id"),
    Index(None, "ordinal"),
)

tables = Table(
    "_etl_tables",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("key", Text, nullable=False),  # JSON array of column names
    Column("created_at", Instant, nullable=False),
)

columns = Table(
    "_etl_columns",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("path", Text, nullable=False),  # JSON array of names
    Column("declared", Boolean, nullable=False),
    Column("volatile", Boolean, nullable=False),
)

schema_changes = Table(
    "_etl_schema_changes",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("table_name", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("ordinal", BigInteger),
    Column("version", Integer, nullable=False),
    Column("column_name", Text, nullable=False),
    Column("old_type", Text),
    Column("new_type", Text, nullable=False),
    Column("sample", Text, nullable=False, server_default=""),
    Column("changed_at", Instant, nullable=False),
)

watermarks = Table(
    "_etl_watermarks",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("member", Text, primary_key=True, server_default=""),
    Column("kind", Text, nullable=False),  # model.instants.CursorKind
    Column("value", Text, nullable=False),  # canonical cursor as text
    Column("ordinal", BigInteger),  # the run that set it; null when a person did
    Column("updated_at", Instant, nullable=False),
)

watermark_changes = Table(
    "_etl_watermark_changes",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("member", Text, nullable=False, server_default=""),
    Column("old_value", Text),
    Column("new_value", Text),
    Column("ordinal", BigInteger),
    Column("changed_at", Instant, nullable=False),
)

coverage = Table(
    "_etl_coverage",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("member", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),
    Column("start", Text),  # canonical cursor; null is unbounded
    Column("end", Text),
    Column("verdict", Text, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "stream", "member"),
)

# Rows that the latest complete reading missed without a proof: missing again, they count as deleted.
missing = Table(
    "_etl_missing",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("ordinal", BigInteger, nullable=False),  # the first run of that reading
    Column("fingerprint", Text, nullable=False),
    Column("digests", LargeBinary, nullable=False),  # sorted key digests, 8 bytes each
)

leases = Table(
    "_etl_leases",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", Text),  # random id of the holding run; null when free
    Column("host", Text),
    Column("pid", Integer),
    Column("process_started", Text),  # boot id and start time: pids are used again
    Column("acquired_at", Instant),
)

# Apart from the lease: on PostgreSQL the page transaction locks the lease row FOR SHARE, which would block heartbeats.
beats = Table(
    "_etl_beats",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("beat_at", Instant, nullable=False),
)

streams = Table(
    "_etl_streams",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("schedule", Text),
    Column("file", Text, nullable=False, server_default=""),
    Column("last_scheduled_at", Instant),  # the latest tick of the schedule that was acted upon
    Column("next_due_at", Instant),
    Column("seen_at", Instant, nullable=False),
)

backfills = Table(
    "_etl_backfills",
    metadata,
    Column("backfill_id", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("start", Text, nullable=False),
    Column("end", Text, nullable=False),
    Column("step", Text, nullable=False, server_default=""),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

slices = Table(
    "_etl_slices",
    metadata,
    Column("backfill_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 0, oldest first
    Column("start", Text, nullable=False),
    Column("end", Text, nullable=False),
    Column("status", Text, nullable=False),  # pending, or a model.run.RunStatus
    Column("verdict", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("ordinal", BigInteger),
    _count("rows"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("updated_at", Instant, nullable=False),
)
