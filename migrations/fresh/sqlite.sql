-- 0004
-- next
CREATE TABLE etl_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT etl_alembic_version_pkc PRIMARY KEY (version_num)
)
-- next
CREATE TABLE _etl_backfills (
	backfill_id TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	start TEXT NOT NULL, 
	"end" TEXT NOT NULL, 
	step TEXT DEFAULT '' NOT NULL, 
	fingerprint TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_backfills PRIMARY KEY (backfill_id)
)
-- next
CREATE TABLE _etl_beats (
	stream TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	beat_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_beats PRIMARY KEY (stream)
)
-- next
CREATE TABLE _etl_columns (
	table_name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	type TEXT NOT NULL, 
	path TEXT NOT NULL, 
	declared BOOLEAN NOT NULL, 
	volatile BOOLEAN NOT NULL, 
	CONSTRAINT pk__etl_columns PRIMARY KEY (table_name, position)
)
-- next
CREATE TABLE _etl_coverage (
	id INTEGER NOT NULL, 
	stream TEXT NOT NULL, 
	member TEXT DEFAULT '' NOT NULL, 
	kind TEXT NOT NULL, 
	start TEXT, 
	"end" TEXT, 
	verdict TEXT NOT NULL, 
	ordinal BIGINT NOT NULL, 
	recorded_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_coverage PRIMARY KEY (id)
)
-- next
CREATE INDEX ix__etl_coverage_stream_member ON _etl_coverage (stream, member)
-- next
CREATE TABLE _etl_failed_tries (
	id INTEGER NOT NULL, 
	ordinal BIGINT NOT NULL, 
	stream TEXT NOT NULL, 
	position TEXT NOT NULL, 
	url TEXT DEFAULT '' NOT NULL, 
	reason TEXT NOT NULL, 
	status INTEGER, 
	requested_at TEXT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	wait_s DOUBLE NOT NULL, 
	CONSTRAINT pk__etl_failed_tries PRIMARY KEY (id)
)
-- next
CREATE INDEX ix__etl_failed_tries_ordinal ON _etl_failed_tries (ordinal)
-- next
CREATE TABLE _etl_leases (
	stream TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	holder TEXT, 
	host TEXT, 
	pid INTEGER, 
	process_started TEXT, 
	acquired_at TEXT, 
	CONSTRAINT pk__etl_leases PRIMARY KEY (stream)
)
-- next
CREATE TABLE _etl_pages (
	id INTEGER NOT NULL, 
	ordinal BIGINT NOT NULL, 
	generation TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	member TEXT DEFAULT '' NOT NULL, 
	win_start TEXT DEFAULT '' NOT NULL, 
	win_end TEXT DEFAULT '' NOT NULL, 
	position TEXT NOT NULL, 
	attempt INTEGER DEFAULT '0' NOT NULL, 
	purpose TEXT DEFAULT 'read' NOT NULL, 
	page_ordinal INTEGER DEFAULT '0' NOT NULL, 
	seq BIGINT NOT NULL, 
	items BIGINT DEFAULT '0' NOT NULL, 
	inserted BIGINT DEFAULT '0' NOT NULL, 
	updated BIGINT DEFAULT '0' NOT NULL, 
	unchanged BIGINT DEFAULT '0' NOT NULL, 
	rejected BIGINT DEFAULT '0' NOT NULL, 
	bytes BIGINT DEFAULT '0' NOT NULL, 
	tries BIGINT DEFAULT '0' NOT NULL, 
	first_key TEXT, 
	last_key TEXT, 
	key_digests BLOB, 
	digest BLOB, 
	total_rows BIGINT, 
	total_pages BIGINT, 
	next_cursor TEXT, 
	next_link TEXT, 
	more BOOLEAN, 
	min_cursor TEXT, 
	max_cursor TEXT, 
	future_rows BIGINT DEFAULT '0' NOT NULL, 
	outside_rows BIGINT DEFAULT '0' NOT NULL, 
	order_broken TEXT DEFAULT '' NOT NULL, 
	url TEXT DEFAULT '' NOT NULL, 
	status INTEGER NOT NULL, 
	served_at TEXT, 
	requested_at TEXT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	committed_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_pages PRIMARY KEY (id), 
	CONSTRAINT uq__etl_pages_generation_stream_member_win_start_win_end_position_attempt UNIQUE (generation, stream, member, win_start, win_end, position, attempt)
)
-- next
CREATE INDEX ix__etl_pages_ordinal ON _etl_pages (ordinal)
-- next
CREATE TABLE _etl_rejects (
	id INTEGER NOT NULL, 
	ordinal BIGINT NOT NULL, 
	stream TEXT NOT NULL, 
	member TEXT DEFAULT '' NOT NULL, 
	position TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	"key" TEXT, 
	path TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	raw BLOB NOT NULL, 
	rejected_at TEXT NOT NULL, 
	replayed_at TEXT, 
	CONSTRAINT pk__etl_rejects PRIMARY KEY (id)
)
-- next
CREATE INDEX ix__etl_rejects_ordinal ON _etl_rejects (ordinal)
-- next
CREATE INDEX ix__etl_rejects_stream_id ON _etl_rejects (stream, id)
-- next
CREATE TABLE _etl_run_streams (
	ordinal INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	table_name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	generation TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	token BIGINT DEFAULT '0' NOT NULL, 
	status TEXT NOT NULL, 
	verdict TEXT, 
	reason TEXT DEFAULT '' NOT NULL, 
	hint TEXT DEFAULT '' NOT NULL, 
	error_code TEXT DEFAULT '' NOT NULL, 
	exit_code INTEGER, 
	since TEXT, 
	until TEXT, 
	upper_bound TEXT, 
	watermark_before TEXT, 
	watermark_after TEXT, 
	total_rows BIGINT, 
	pages BIGINT DEFAULT '0' NOT NULL, 
	requests BIGINT DEFAULT '0' NOT NULL, 
	retries BIGINT DEFAULT '0' NOT NULL, 
	fetched BIGINT DEFAULT '0' NOT NULL, 
	inserted BIGINT DEFAULT '0' NOT NULL, 
	updated BIGINT DEFAULT '0' NOT NULL, 
	unchanged BIGINT DEFAULT '0' NOT NULL, 
	deleted BIGINT DEFAULT '0' NOT NULL, 
	rejected BIGINT DEFAULT '0' NOT NULL, 
	bytes BIGINT DEFAULT '0' NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	seconds DOUBLE, 
	CONSTRAINT pk__etl_run_streams PRIMARY KEY (ordinal)
)
-- next
CREATE INDEX ix__etl_run_streams_run_id ON _etl_run_streams (run_id)
-- next
CREATE INDEX ix__etl_run_streams_stream_ordinal ON _etl_run_streams (stream, ordinal)
-- next
CREATE TABLE _etl_runs (
	run_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	"trigger" TEXT NOT NULL, 
	status TEXT NOT NULL, 
	exit_code INTEGER, 
	selection TEXT DEFAULT '' NOT NULL, 
	version TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	seconds DOUBLE, 
	CONSTRAINT pk__etl_runs PRIMARY KEY (run_id)
)
-- next
CREATE TABLE _etl_schema_changes (
	id INTEGER NOT NULL, 
	table_name TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	ordinal BIGINT, 
	version INTEGER NOT NULL, 
	column_name TEXT NOT NULL, 
	old_type TEXT, 
	new_type TEXT NOT NULL, 
	sample TEXT DEFAULT '' NOT NULL, 
	changed_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_schema_changes PRIMARY KEY (id)
)
-- next
CREATE TABLE _etl_slices (
	backfill_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	start TEXT NOT NULL, 
	"end" TEXT NOT NULL, 
	status TEXT NOT NULL, 
	verdict TEXT, 
	reason TEXT DEFAULT '' NOT NULL, 
	ordinal BIGINT, 
	rows BIGINT DEFAULT '0' NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	updated_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_slices PRIMARY KEY (backfill_id, number)
)
-- next
CREATE TABLE _etl_streams (
	stream TEXT NOT NULL, 
	table_name TEXT NOT NULL, 
	schedule TEXT, 
	file TEXT DEFAULT '' NOT NULL, 
	last_scheduled_at TEXT, 
	next_due_at TEXT, 
	seen_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_streams PRIMARY KEY (stream)
)
-- next
CREATE TABLE _etl_tables (
	table_name TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_tables PRIMARY KEY (table_name)
)
-- next
CREATE TABLE _etl_watermark_changes (
	id INTEGER NOT NULL, 
	stream TEXT NOT NULL, 
	member TEXT DEFAULT '' NOT NULL, 
	old_value TEXT, 
	new_value TEXT, 
	ordinal BIGINT, 
	changed_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_watermark_changes PRIMARY KEY (id)
)
-- next
CREATE TABLE _etl_watermarks (
	stream TEXT NOT NULL, 
	member TEXT DEFAULT '' NOT NULL, 
	kind TEXT NOT NULL, 
	value TEXT NOT NULL, 
	ordinal BIGINT, 
	updated_at TEXT NOT NULL, 
	CONSTRAINT pk__etl_watermarks PRIMARY KEY (stream, member)
)
-- next
CREATE VIEW etl_runs AS 
        SELECT run_id, kind, trigger, status, exit_code, selection, version, host, pid, started_at, finished_at, seconds
        FROM _etl_runs
-- next
CREATE VIEW etl_run_streams AS 
        SELECT run_id, stream, table_name, kind, status, verdict, reason, hint, error_code, exit_code,
               generation, since, until, upper_bound, watermark_before, watermark_after, total_rows,
               pages, requests, retries, fetched, inserted, updated, unchanged, deleted, rejected, bytes,
               started_at, finished_at, seconds, ordinal
        FROM _etl_run_streams
-- next
CREATE VIEW etl_pages AS 
        SELECT r.run_id, p.stream, p.member, p.win_start AS window_start, p.win_end AS window_end, p.position, p.attempt,
               p.purpose, p.items, p.inserted, p.updated, p.unchanged, p.rejected, p.bytes, p.tries, p.first_key,
               p.last_key, p.total_rows, p.total_pages, p.min_cursor, p.max_cursor, p.future_rows, p.outside_rows,
               p.url, p.status, p.served_at, p.requested_at, p.seconds, p.committed_at, p.generation, p.seq
        FROM _etl_pages p LEFT JOIN _etl_run_streams r ON r.ordinal = p.ordinal
-- next
CREATE VIEW etl_requests AS 
        SELECT r.run_id, t.stream, t.position, t.url, t.status, t.outcome, t.requested_at, t.seconds, t.wait_s
        FROM (
            SELECT ordinal, stream, position, url, status, 'page' AS outcome, requested_at, seconds, 0.0 AS wait_s
            FROM _etl_pages
            UNION ALL
            SELECT ordinal, stream, position, url, status, reason, requested_at, seconds, wait_s
            FROM _etl_failed_tries
        ) t LEFT JOIN _etl_run_streams r ON r.ordinal = t.ordinal
-- next
CREATE VIEW etl_rejects AS 
        SELECT j.id, r.run_id, j.stream, j.member, j.position, j.item, j.key, j.path, j.reason, CAST(j.raw AS TEXT) AS raw,
               j.rejected_at, j.replayed_at
        FROM _etl_rejects j LEFT JOIN _etl_run_streams r ON r.ordinal = j.ordinal
-- next
CREATE VIEW etl_schema_changes AS 
        SELECT r.run_id, c.stream, c.table_name, c.version, c.column_name, c.old_type, c.new_type, c.sample, c.changed_at
        FROM _etl_schema_changes c LEFT JOIN _etl_run_streams r ON r.ordinal = c.ordinal
-- next
CREATE VIEW etl_coverage AS 
        SELECT c.stream, c.member, c.kind, CASE WHEN c.kind = 'instant' THEN strftime('%Y-%m-%dT%H:%M:%S', ((CAST(c.start AS BIGINT) - ((CAST(c.start AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000), 'unixepoch') || printf('.%06dZ', CAST(c.start AS BIGINT) - ((CAST(c.start AS BIGINT) - ((CAST(c.start AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000) * 1000000) ELSE c.start END AS covered_from, CASE WHEN c.kind = 'instant' THEN strftime('%Y-%m-%dT%H:%M:%S', ((CAST(c."end" AS BIGINT) - ((CAST(c."end" AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000), 'unixepoch') || printf('.%06dZ', CAST(c."end" AS BIGINT) - ((CAST(c."end" AS BIGINT) - ((CAST(c."end" AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000) * 1000000) ELSE c."end" END AS covered_to, c.verdict, r.run_id,
               c.recorded_at
        FROM _etl_coverage c LEFT JOIN _etl_run_streams r ON r.ordinal = c.ordinal
-- next
CREATE VIEW etl_streams AS 
        SELECT s.stream, s.table_name, s.schedule, s.file, s.last_scheduled_at, s.next_due_at,
               CASE WHEN w.kind = 'instant' THEN strftime('%Y-%m-%dT%H:%M:%S', ((CAST(w.value AS BIGINT) - ((CAST(w.value AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000), 'unixepoch') || printf('.%06dZ', CAST(w.value AS BIGINT) - ((CAST(w.value AS BIGINT) - ((CAST(w.value AS BIGINT) % 1000000) + 1000000) % 1000000) / 1000000) * 1000000) ELSE w.value END AS watermark, w.kind AS watermark_kind,
               r.run_id AS last_run_id, r.status AS last_status, r.verdict AS last_verdict, r.reason AS last_reason,
               r.started_at AS last_started_at, r.finished_at AS last_finished_at, g.finished_at AS last_success_at
        FROM _etl_streams s
        LEFT JOIN _etl_watermarks w ON w.stream = s.stream AND w.member = ''
        LEFT JOIN _etl_run_streams r
               ON r.ordinal = (SELECT max(ordinal) FROM _etl_run_streams l WHERE l.stream = s.stream)
        LEFT JOIN _etl_run_streams g
               ON g.ordinal = (SELECT max(ordinal) FROM _etl_run_streams l
                               WHERE l.stream = s.stream AND l.status = 'succeeded')
-- next
INSERT INTO etl_alembic_version (version_num) VALUES ('0001') RETURNING version_num
-- next
CREATE TABLE _etl_missing (
	stream TEXT NOT NULL, 
	part INTEGER NOT NULL, 
	ordinal BIGINT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	digests BLOB NOT NULL, 
	CONSTRAINT pk__etl_missing PRIMARY KEY (stream, part)
)
-- next
UPDATE etl_alembic_version SET version_num='0002' WHERE etl_alembic_version.version_num = '0001'
-- next
ALTER TABLE _etl_pages ADD COLUMN token TEXT
-- next
UPDATE etl_alembic_version SET version_num='0003' WHERE etl_alembic_version.version_num = '0002'
-- next
ALTER TABLE _etl_run_streams ADD COLUMN members TEXT
-- next
UPDATE etl_alembic_version SET version_num='0004' WHERE etl_alembic_version.version_num = '0003'
