"""What must hold, whatever happened: judged from the database file and the model's history, without the product.

Names in messages: G1 to G5 are the promises, O1 to O6 what a whole story must show.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worlds.api import Api, lists
from worlds.kinds import Kind
from worlds.model import EPOCH, FUTURE, Collection, Item, Version, micros

TABLE = "world_rows"


class Broken(Exception):
    """A promise that was not kept."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stream's run as its line tells it."""

    ordinal: int
    run_id: str
    generation: str
    status: str
    verdict: str | None
    reason: str
    since: str | None
    until: str | None
    pid: int


class Oracle:
    """Looks at one world; `scope` is what the stream asks for at the moment."""

    def __init__(self, kind: Kind, collection: Collection, api: Api) -> None:
        self.kind = kind
        self.collection = collection
        self.api = api
        self.scope = "all"
        self.scope_changed = False

    # after every life

    def is_sound(self, db: sqlite3.Connection) -> None:
        """O3: after every end and every crash."""
        expect(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "O3: the file is damaged")
        if self._has_table(db):
            self._rows_belong_to_pages(db)
        self._counters_are_sums(db)
        self._rejects_are_counted(db)
        expect(
            db.execute("SELECT count(*) FROM _etl_run_streams WHERE status = 'running'").fetchone()[0] <= 1,
            "O3: two runs of one stream are running",
        )

    def fenced(self, db: sqlite3.Connection, before: Mapping[int, int]) -> None:
        """O4: since a newer holder began, no earlier run has written a page."""
        for ordinal, lines in before.items():
            now = db.execute("SELECT count(*) FROM _etl_pages WHERE ordinal = ?", (ordinal,)).fetchone()[0]
            expect(now == lines, f"O4: run {ordinal} wrote {now - lines} pages after it was replaced")

    def kept_its_word(self, db: sqlite3.Connection, pid: int) -> Run | None:
        """O2: what a run claims is true. The run of a life, None when it did not come that far."""
        run = self.run_of(db, pid)
        if run is None:
            return None
        runs = self._generation(db, run)
        names = {f"life {each.pid}" for each in runs}
        asked = [shown.at for shown in self.api.shown if shown.life in names]
        if not asked or not self._has_table(db):
            return run
        begin, end = min(asked), max(asked)
        table = self._table(db)
        self._nothing_is_older(table, {each.run_id for each in runs}, begin)
        self._newest_wins(db, table)
        if self.kind.infers and run.verdict != "consistent" and self.api.blind_at < begin:
            self._only_what_is_gone_goes(run, table, begin, end)
        if run.status == "succeeded" and run.verdict == "verified" and self.api.blind_at < begin:
            rejects = self._rejects(db, [each.ordinal for each in runs])
            self._nothing_is_missing(run, table, rejects, begin, end)
        return run

    def watermark_is_safe(self, db: sqlite3.Connection) -> None:
        """G4: whatever changed below the watermark is stored; nobody would ask for it again."""
        if not (self.kind.incremental and self.kind.proved) or self.scope_changed:
            return
        moved = db.execute(
            "SELECT c.new_value, s.verdict, s.status FROM _etl_watermark_changes c "
            "LEFT JOIN _etl_run_streams s ON s.ordinal = c.ordinal ORDER BY c.id"
        ).fetchall()
        proved = all(row["verdict"] in ("verified", "incomplete") for row in moved)
        if not (moved and proved and self._has_table(db)):
            return
        mark = int(db.execute("SELECT value FROM _etl_watermarks").fetchone()[0])
        now = self.collection.now() + abs(self.api.date_skew_s)
        expect(mark <= _micros_at(now), "G4: the watermark is ahead of the server's clock")
        table, spoilt = self._table(db), self._spoilt(db)
        coming = [(key, item) for _, key, item in self.collection.late]
        for key, item in [*self.collection.rows.items(), *coming]:
            stamp = micros(item["updated_at"])
            if stamp is None or stamp >= mark or not lists({"scope": self.scope}, item):
                continue
            row = table.get(key)
            if item["v"] in spoilt:
                continue
            expect(row is not None, f"G4: row {key} lies below the watermark and is not stored")
            assert row is not None
            expect(row["v"] == item["v"], f"G4: row {key} lies below the watermark and is stale: {row['v']}, {item}")

    # at the end

    def equals_the_server(self, db: sqlite3.Connection) -> None:
        """O1: every row and every column; and with inferred deletes no row more."""
        table = self._table(db) if self._has_table(db) else {}
        spoilt = self._spoilt(db)
        truth = {item["id"]: item for item in self.api.view({"scope": self.scope})}
        for key, item in truth.items():
            if item["amount"] == "many":
                expect(item["v"] in spoilt, f"O1: row {key} is neither stored nor rejected")
                continue
            row = table.get(key)
            expect(row is not None, f"O1: row {key} is not stored: {item}")
            assert row is not None
            expect(self._same(row, item), f"O1: row {key} differs: stored {dict(row)}, {item}")
            if self.kind.infers:
                expect(row["_etl_deleted_at"] is None, f"O1: row {key} lives and is marked as deleted")
        for key, row in table.items():
            expect(key in self.collection.history, f"O1: row {key} was never there")
            if self.kind.infers and key not in truth:
                expect(row["_etl_deleted_at"] is not None, f"O1: row {key} is gone and not marked")

    def deletes_left(self, db: sqlite3.Connection) -> bool:
        """Whether rows that are gone have no mark yet."""
        if not self.kind.infers or not self._has_table(db):
            return False
        truth = {item["id"] for item in self.api.view({"scope": self.scope})}
        return any(row["_etl_deleted_at"] is None for key, row in self._table(db).items() if key not in truth)

    def run_of(self, db: sqlite3.Connection, pid: int) -> Run | None:
        """The stream's line of a life's run."""
        rows = db.execute(f"{_RUNS} WHERE r.pid = ? ORDER BY s.ordinal", (pid,)).fetchall()
        return Run(**dict(rows[-1])) if rows else None

    # promises

    def _nothing_is_missing(
        self, run: Run, table: Mapping[int, sqlite3.Row], rejects: set[int], begin: float, end: float
    ) -> None:
        """G1 for a verified run, and G2 for its rows."""
        query = {"scope": self.scope}
        asks = self.kind.incremental and "since" in self.kind.params
        if asks and run.since is not None:
            query["since"] = _iso(int(run.since))
        if asks and self.kind.windowed and run.until is not None:
            query["until"] = _iso(int(run.until))
        for key in self.collection.history:
            states = [state for state in self.collection.over(key, begin, end) if state is not None]
            if len(states) < len(self.collection.over(key, begin, end)) or not all(lists(query, one) for one in states):
                continue
            moved = len({one["updated_at"] for one in states}) > 1
            if moved and (self.kind.windowed or self.kind.keyed_by_change):
                continue
            row = table.get(key)
            if row is None:
                expect(key in rejects, f"G1: {run.verdict}, and row {key} is missing: {states[0]}; {run.reason}")
                continue
            if key not in rejects:
                self._was_true(key, row, begin)
            if self.kind.infers:
                expect(row["_etl_deleted_at"] is None, f"G1: row {key} lived all the time and is marked as deleted")

    def _only_what_is_gone_goes(self, run: Run, table: Mapping[int, sqlite3.Row], begin: float, end: float) -> None:
        """A row that a run marks as deleted was not in the list at some time while the run read it."""
        query = {"scope": self.scope}
        for key, row in table.items():
            if row["_etl_deleted_at"] is None or row["_etl_run_id"] != run.run_id:
                continue
            states = self.collection.over(key, begin, end)
            lived = all(state is not None and lists(query, state) for state in states)
            expect(not lived, f"G1: row {key} lived all the time, and a run that is {run.verdict} took it away")

    def _nothing_is_older(self, table: Mapping[int, sqlite3.Row], run_ids: set[str], begin: float) -> None:
        """G2: what a generation wrote was true at some time since it began."""
        for key, row in table.items():
            if row["_etl_run_id"] in run_ids and row.keys().count("_etl_deleted_at") == 0:
                self._was_true(key, row, begin)

    def _newest_wins(self, db: sqlite3.Connection, table: Mapping[int, sqlite3.Row]) -> None:
        """Of all versions that were committed the newest is stored: by stamp, else by the order of the requests."""
        if self.api.past_end == "404":  # such an answer is numbered once more by the product
            return
        runs = db.execute(
            "SELECT s.ordinal, r.pid, s.upper_bound FROM _etl_run_streams s JOIN _etl_runs r USING (run_id)"
        )
        pids, bounds = {}, {}
        for run in runs:
            pids[run["ordinal"]] = run["pid"]
            bounds[run["ordinal"]] = micros(_zoned(run["upper_bound"])) if run["upper_bound"] else 0
        shown = {(page.life, page.number): page for page in self.api.shown}
        best: dict[int, tuple[str, int]] = {}
        recent = set[int]()
        for ordinal, seq in db.execute("SELECT ordinal, seq FROM _etl_pages ORDER BY ordinal, seq"):
            page = shown.get((f"life {pids[ordinal]}", seq))
            for key, number in () if page is None else page.rows:
                version = self.collection.version_of(key, number)
                assert version is not None
                assert version.item is not None
                stamp = (version.item["updated_at"] or "") if self.kind.incremental else ""
                if stamp and (micros(stamp) or 0) >= bounds[ordinal]:
                    recent.add(key)
                if stamp >= best.get(key, ("", 0))[0]:
                    best[key] = (stamp, number)
        for key, (_, number) in best.items():
            if key not in recent and not self._is_odd(key):
                expect(key in table, f"G2: row {key} was committed and is not stored")
                stored = self.collection.version_of(key, table[key]["v"])
                newest = self.collection.version_of(key, number)
                assert stored is not None
                assert newest is not None
                # What did not change keeps its number, so that a row may also be newer than its rule asks.
                is_older = stored.at < newest.at
                expect(not is_older, f"G2: row {key} is stored as version {table[key]['v']}, and {number} came too")

    def _is_odd(self, key: int) -> bool:
        """Whether the simple rule does not hold for a key: it was spoilt, or a mark on it is taken away at once.

        Nor does it hold for versions beyond U: there the order of the requests decides, until the next run.
        """
        items = [each.item for each in self.collection.versions(key) if each.item is not None]
        if any(item["updated_at"] in (FUTURE, None) or item["amount"] == "many" for item in items):
            return True
        return self.kind.incremental and self.kind.infers

    def _was_true(self, key: int, row: sqlite3.Row, begin: float) -> None:
        version = self.collection.version_of(key, row["v"])
        expect(version is not None, f"G2: row {key} holds a version that never was")
        assert version is not None
        until = self.collection.until(key, version)
        expect(until > begin, f"G2: row {key} was replaced at {until:.3f}, before the reading began at {begin:.3f}")

    # the ledger

    def _rows_belong_to_pages(self, db: sqlite3.Connection) -> None:
        strangers = db.execute(
            f"""
            SELECT count(*) FROM {TABLE} d WHERE NOT EXISTS (
                SELECT 1 FROM _etl_pages p WHERE p.ordinal = d._etl_seq / 4294967296
                AND p.seq = d._etl_seq % 4294967296)
            """
        ).fetchone()[0]
        expect(strangers == 0, f"O3: {strangers} rows belong to no page of the ledger")
        rows = db.execute(f"SELECT count(*) FROM {TABLE}").fetchone()[0]
        inserted = db.execute("SELECT coalesce(sum(inserted), 0) FROM _etl_pages").fetchone()[0]
        expect(rows == inserted, f"O3: {rows} rows, and the ledger counts {inserted} inserts")
        keys = db.execute(f"SELECT count(DISTINCT id) FROM {TABLE}").fetchone()[0]
        expect(rows == keys, "G3: a key is stored twice")

    def _counters_are_sums(self, db: sqlite3.Connection) -> None:
        twice = db.execute(
            "SELECT position FROM _etl_pages "
            "GROUP BY generation, stream, member, win_start, win_end, position, attempt HAVING count(*) > 1"
        ).fetchall()
        expect(not twice, "O3: a page has two lines in the ledger")
        for row in db.execute(_SUMS):
            told = (row["pages"], row["inserted"], row["updated"], row["rejected"], row["retries"], row["requests"])
            sums = (row["firsts"], row["ins"], row["upd"], row["rej"], row["again"], row["lines"] + row["tries"])
            expect(told == sums, f"O3: the counters of run {row['ordinal']} are {told}, the ledger has {sums}")
            parts = row["inserted"] + row["updated"] + row["unchanged"] + row["rejected"]
            expect(row["fetched"] == parts, f"O3: run {row['ordinal']} fetched {row['fetched']}, its parts are {parts}")

    def _rejects_are_counted(self, db: sqlite3.Connection) -> None:
        kept = db.execute("SELECT count(*) FROM _etl_rejects").fetchone()[0]
        counted = db.execute("SELECT coalesce(sum(rejected), 0) FROM _etl_pages").fetchone()[0]
        expect(kept == counted, f"O3: {kept} rejects are kept, {counted} are counted")

    # reading

    @staticmethod
    def _has_table(db: sqlite3.Connection) -> bool:
        return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone() is not None

    @staticmethod
    def _table(db: sqlite3.Connection) -> dict[int, sqlite3.Row]:
        return {row["id"]: row for row in db.execute(f"SELECT * FROM {TABLE}")}

    @staticmethod
    def _generation(db: sqlite3.Connection, run: Run) -> list[Run]:
        rows = db.execute(
            f"{_RUNS} WHERE s.generation = ? AND s.ordinal <= ?", (run.generation, run.ordinal)
        ).fetchall()
        return [Run(**dict(row)) for row in rows]

    @staticmethod
    def _rejects(db: sqlite3.Connection, ordinals: list[int]) -> set[int]:
        rows = db.execute("SELECT ordinal, raw FROM _etl_rejects").fetchall()
        return {json.loads(row["raw"])["id"] for row in rows if row["ordinal"] in ordinals}

    @staticmethod
    def _spoilt(db: sqlite3.Connection) -> set[int]:
        """The versions among the rejects."""
        return {json.loads(row["raw"])["v"] for row in db.execute("SELECT raw FROM _etl_rejects")}

    @staticmethod
    def _same(row: sqlite3.Row, item: Item) -> bool:
        stored: dict[str, Any] = {name: row[name] for name in item}
        stored["on"] = bool(stored["on"])
        stored["tags"] = json.loads(stored["tags"])
        stored["updated_at"] = None if row["updated_at"] is None else micros(_zoned(row["updated_at"]))
        return stored == {**item, "updated_at": micros(item["updated_at"])}


_RUNS = """
    SELECT s.ordinal, s.run_id, s.generation, s.status, s.verdict, coalesce(s.reason, '') AS reason, s.since, s.until,
           r.pid
    FROM _etl_run_streams s JOIN _etl_runs r ON r.run_id = s.run_id"""

_SUMS = """
    SELECT s.ordinal, s.pages, s.inserted, s.updated, s.rejected, s.requests, s.retries, s.fetched, s.unchanged,
           coalesce(p.firsts, 0) AS firsts, coalesce(p.ins, 0) AS ins, coalesce(p.upd, 0) AS upd,
           coalesce(p.rej, 0) AS rej, coalesce(p.lines, 0) AS lines, coalesce(t.n, 0) AS tries,
           coalesce(t.again, 0) AS again
    FROM _etl_run_streams s
    LEFT JOIN (SELECT ordinal, sum(CASE WHEN attempt = 0 THEN 1 ELSE 0 END) AS firsts, sum(inserted) AS ins,
                      sum(updated) AS upd, sum(rejected) AS rej, count(*) AS lines
               FROM _etl_pages GROUP BY ordinal) p ON p.ordinal = s.ordinal
    LEFT JOIN (SELECT ordinal, count(*) AS n, sum(CASE WHEN wait_s > 0 THEN 1 ELSE 0 END) AS again
               FROM _etl_failed_tries GROUP BY ordinal) t ON t.ordinal = s.ordinal
    WHERE s.status <> 'running'
"""


def expect(holds: bool, otherwise: str) -> None:
    """Raises Broken when a promise does not hold."""
    if not holds:
        raise Broken(otherwise)


def _micros_at(seconds: float) -> int:
    """An instant of the world as the product counts."""
    return (micros(EPOCH.isoformat()) or 0) + int(seconds * 1_000_000)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat()


def _zoned(text: str) -> str:
    return text if text.endswith(("Z", "+00:00")) else text + "+00:00"


__all__ = ["Broken", "Oracle", "Run", "Version", "expect"]
