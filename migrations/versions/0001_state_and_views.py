"""The state tables, and the views people read

Revision: 0001
Revises: -
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from etl.db.types import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts only INTEGER PRIMARY KEY up by itself.
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A reject's raw bytes may be cut in the middle of a character, or be no UTF-8 at all: a view must not fail on them.
TEXT_FUNCTION = """
CREATE FUNCTION _etl_text(raw bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN convert_from(raw, 'UTF8');
EXCEPTION WHEN OTHERS THEN
    RETURN encode(raw, 'escape');
END $$
"""

VIEWS = {
    "etl_runs": """
        SELECT run_id, kind, trigger, status, exit_code, selection, version, host, pid, started_at, finished_at, seconds
        FROM _etl_runs
    """,
    "etl_run_streams": """
        SELECT run_id, stream, table_name, kind, status, verdict, reason, hint, error_code, exit_code,
               generation, since, until, upper_bound, watermark_before, watermark_after, total_rows,
               pages, requests, retries, fetched, inserted, updated, unchanged, deleted, rejected, bytes,
               started_at, finished_at, seconds, ordinal
        FROM _etl_run_streams
    """,
    "etl_pages": """
        SELECT r.run_id, p.stream, p.member, p.win_start AS window_start, p.win_end AS window_end, p.position, p.attempt,
               p.purpose, p.items, p.inserted, p.updated, p.unchanged, p.rejected, p.bytes, p.tries, p.first_key,
               p.last_key, p.total_rows, p.total_pages, p.min_cursor, p.max_cursor, p.future_rows, p.outside_rows,
               p.url, p.status, p.served_at, p.requested_at, p.seconds, p.committed_at, p.generation, p.seq
        FROM _etl_pages p LEFT JOIN _etl_run_streams r ON r.ordinal = p.ordinal
    """,
    "etl_requests": """
        SELECT r.run_id, t.stream, t.position, t.url, t.status, t.outcome, t.requested_at, t.seconds, t.wait_s
        FROM (
            SELECT ordinal, stream, position, url, status, 'page' AS outcome, requested_at, seconds, 0.0 AS wait_s
            FROM _etl_pages
            UNION ALL
            SELECT ordinal, stream, position, url, status, reason, requested_at, seconds, wait_s
            FROM _etl_failed_tries
        ) t LEFT JOIN _etl_run_streams r ON r.ordinal = t.ordinal
    """,
    "etl_rejects": """
        SELECT j.id, r.run_id, j.stream, j.member, j.position, j.item, j.key, j.path, j.reason, {raw} AS raw,
               j.rejected_at, j.replayed_at
        FROM _etl_rejects j LEFT JOIN _etl_run_streams r ON r.ordinal = j.ordinal
    """,
    "etl_schema_changes": """
        SELECT r.run_id, c.stream, c.table_name, c.version, c.column_name, c.old_type, c.new_type, c.sample, c.changed_at
        FROM _etl_schema_changes c LEFT JOIN _etl_run_streams r ON r.ordinal = c.ordinal
    """,
    "etl_coverage": """
        SELECT c.stream, c.member, c.kind, {covered_from} AS covered_from, {covered_to} AS covered_to, c.verdict, r.run_id,
               c.recorded_at
        FROM _etl_coverage c LEFT JOIN _etl_run_streams r ON r.ordinal = c.ordinal
    """,
    "etl_streams": """
        SELECT s.stream, s.table_name, s.schedule, s.file, s.last_scheduled_at, s.next_due_at,
               {watermark} AS watermark, w.kind AS watermark_kind,
               r.run_id AS last_run_id, r.status AS last_status, r.verdict AS last_verdict, r.reason AS last_reason,
               r.started_at AS last_started_at, r.finished_at AS last_finished_at, g.finished_at AS last_success_at
        FROM _etl_streams s
        LEFT JOIN _etl_watermarks w ON w.stream = s.stream AND w.member = ''
        LEFT JOIN _etl_run_streams r
               ON r.ordinal = (SELECT max(ordinal) FROM _etl_run_streams l WHERE l.stream = s.stream)
        LEFT JOIN _etl_run_streams g
               ON g.ordinal = (SELECT max(ordinal) FROM _etl_run_streams l
                               WHERE l.stream = s.stream AND l.status = 'succeeded')
    """,
}


# Instants are kept as microseconds since 1970, which both databases order alike; people read ISO 8601.
ISO_SQLITE = (
    "strftime('%%Y-%%m-%%dT%%H:%%M:%%S', FLOOR_S, 'unixepoch') || printf('.%%06dZ', MICROS - FLOOR_S * 1000000)"
)
ISO_POSTGRESQL = (
    "to_char(timestamp '1970-01-01' + MICROS * interval '0.000001 second', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
)


def _shown(value: str, kind: str, postgresql: bool) -> str:
    """A stored cursor as people read it."""
    micros = f"CAST({value} AS BIGINT)"
    # Before 1970 a division truncates upwards; subtracting first keeps the fraction positive.
    floor_s = f"(({micros} - (({micros} %% 1000000) + 1000000) %% 1000000) / 1000000)"
    iso = (ISO_POSTGRESQL if postgresql else ISO_SQLITE).replace("FLOOR_S", floor_s).replace("MICROS", micros)
    return f"CASE WHEN {kind} = 'instant' THEN {iso} ELSE {value} END"


def _create_views() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:
        op.execute(sa.DDL(TEXT_FUNCTION))
    raw = "_etl_text(j.raw)" if postgresql else "CAST(j.raw AS TEXT)"
    cursors = {
        "covered_from": _shown("c.start", "c.kind", postgresql),
        "covered_to": _shown('c."end"', "c.kind", postgresql),
        "watermark": _shown("w.value", "w.kind", postgresql),
    }
    for name, query in VIEWS.items():
        op.execute(sa.DDL(f"CREATE VIEW {name} AS {query.format(raw=raw, **cursors)}"))


def _drop_views() -> None:
    for name in reversed(VIEWS):
        op.execute(sa.DDL(f"DROP VIEW {name}"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.DDL("DROP FUNCTION _etl_text(bytea)"))


def upgrade() -> None:
    op.create_table(
        "_etl_backfills",
        sa.Column("backfill_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("backfill_id", name=op.f("pk__etl_backfills")),
    )
    op.create_table(
        "_etl_beats",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk__etl_beats")),
    )
    op.create_table(
        "_etl_columns",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("volatile", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "position", name=op.f("pk__etl_columns")),
    )
    op.create_table(
        "_etl_coverage",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=True),
        sa.Column("end", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_coverage")),
    )
    op.create_index(op.f("ix__etl_coverage_stream_member"), "_etl_coverage", ["stream", "member"], unique=False)
    op.create_table(
        "_etl_failed_tries",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("wait_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_failed_tries")),
    )
    op.create_index(op.f("ix__etl_failed_tries_ordinal"), "_etl_failed_tries", ["ordinal"], unique=False)
    op.create_table(
        "_etl_leases",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("process_started", sa.Text(), nullable=True),
        sa.Column("acquired_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk__etl_leases")),
    )
    op.create_table(
        "_etl_pages",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), server_default="", nullable=False),
        sa.Column("win_start", sa.Text(), server_default="", nullable=False),
        sa.Column("win_end", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("purpose", sa.Text(), server_default="read", nullable=False),
        sa.Column("page_ordinal", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("inserted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_key", sa.Text(), nullable=True),
        sa.Column("last_key", sa.Text(), nullable=True),
        sa.Column("key_digests", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("total_rows", sa.BigInteger(), nullable=True),
        sa.Column("total_pages", sa.BigInteger(), nullable=True),
        sa.Column("next_cursor", sa.Text(), nullable=True),
        sa.Column("next_link", sa.Text(), nullable=True),
        sa.Column("more", sa.Boolean(), nullable=True),
        sa.Column("min_cursor", sa.Text(), nullable=True),
        sa.Column("max_cursor", sa.Text(), nullable=True),
        sa.Column("future_rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("outside_rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("order_broken", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("served_at", Instant(), nullable=True),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("committed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_pages")),
        sa.UniqueConstraint(
            "generation",
            "stream",
            "member",
            "win_start",
            "win_end",
            "position",
            "attempt",
            name=op.f("uq__etl_pages_generation_stream_member_win_start_win_end_position_attempt"),
        ),
    )
    op.create_index(op.f("ix__etl_pages_ordinal"), "_etl_pages", ["ordinal"], unique=False)
    op.create_table(
        "_etl_rejects",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("rejected_at", Instant(), nullable=False),
        sa.Column("replayed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_rejects")),
    )
    op.create_index(op.f("ix__etl_rejects_ordinal"), "_etl_rejects", ["ordinal"], unique=False)
    op.create_index(op.f("ix__etl_rejects_stream_id"), "_etl_rejects", ["stream", "id"], unique=False)
    op.create_table(
        "_etl_run_streams",
        sa.Column("ordinal", COUNTER, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("hint", sa.Text(), server_default="", nullable=False),
        sa.Column("error_code", sa.Text(), server_default="", nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("since", sa.Text(), nullable=True),
        sa.Column("until", sa.Text(), nullable=True),
        sa.Column("upper_bound", Instant(), nullable=True),
        sa.Column("watermark_before", sa.Text(), nullable=True),
        sa.Column("watermark_after", sa.Text(), nullable=True),
        sa.Column("total_rows", sa.BigInteger(), nullable=True),
        sa.Column("pages", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("retries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fetched", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("inserted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk__etl_run_streams")),
    )
    op.create_index(op.f("ix__etl_run_streams_run_id"), "_etl_run_streams", ["run_id"], unique=False)
    op.create_index(op.f("ix__etl_run_streams_stream_ordinal"), "_etl_run_streams", ["stream", "ordinal"], unique=False)
    op.create_table(
        "_etl_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("selection", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk__etl_runs")),
    )
    op.create_table(
        "_etl_schema_changes",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("old_type", sa.Text(), nullable=True),
        sa.Column("new_type", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_schema_changes")),
    )
    op.create_table(
        "_etl_slices",
        sa.Column("backfill_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("backfill_id", "number", name=op.f("pk__etl_slices")),
    )
    op.create_table(
        "_etl_streams",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("file", sa.Text(), server_default="", nullable=False),
        sa.Column("last_scheduled_at", Instant(), nullable=True),
        sa.Column("next_due_at", Instant(), nullable=True),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk__etl_streams")),
    )
    op.create_table(
        "_etl_tables",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", name=op.f("pk__etl_tables")),
    )
    op.create_table(
        "_etl_watermark_changes",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), server_default="", nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__etl_watermark_changes")),
    )
    op.create_table(
        "_etl_watermarks",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "member", name=op.f("pk__etl_watermarks")),
    )
    _create_views()


def downgrade() -> None:
    _drop_views()

    op.drop_table("_etl_watermarks")
    op.drop_table("_etl_watermark_changes")
    op.drop_table("_etl_tables")
    op.drop_table("_etl_streams")
    op.drop_table("_etl_slices")
    op.drop_table("_etl_schema_changes")
    op.drop_table("_etl_runs")
    op.drop_index(op.f("ix__etl_run_streams_stream_ordinal"), table_name="_etl_run_streams")
    op.drop_index(op.f("ix__etl_run_streams_run_id"), table_name="_etl_run_streams")
    op.drop_table("_etl_run_streams")
    op.drop_index(op.f("ix__etl_rejects_stream_id"), table_name="_etl_rejects")
    op.drop_index(op.f("ix__etl_rejects_ordinal"), table_name="_etl_rejects")
    op.drop_table("_etl_rejects")
    op.drop_index(op.f("ix__etl_pages_ordinal"), table_name="_etl_pages")
    op.drop_table("_etl_pages")
    op.drop_table("_etl_leases")
    op.drop_index(op.f("ix__etl_failed_tries_ordinal"), table_name="_etl_failed_tries")
    op.drop_table("_etl_failed_tries")
    op.drop_index(op.f("ix__etl_coverage_stream_member"), table_name="_etl_coverage")
    op.drop_table("_etl_coverage")
    op.drop_table("_etl_columns")
    op.drop_table("_etl_beats")
    op.drop_table("_etl_backfills")
