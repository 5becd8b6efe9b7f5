"""A database that says no: exit 6 with the cause, what is stored stays whole, and the next run completes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import pytest

SYNC = ("sync", "--quiet", "--concurrency", "3")


def is_refused(done, *words: str) -> None:
    """Exit 6, the cause in words, and no traceback."""
    assert done.code == 6, done
    for word in words:
        assert word in done.err, done.err
    assert "Traceback" not in done.err


def recovers(ground) -> None:
    done = ground.forked(*SYNC)
    assert done.code == 0, done
    ground.equals_the_truth()
    ground.is_sound()


@contextmanager
def paused_halfway(ground, pages: int = 3):
    """A run with some pages committed, that still has others to fetch."""
    ground.behave(latency_s=0.15)
    running = ground.start("sync", "shop.items", "--quiet", "--concurrency", "2", ETL_BUSY_TIMEOUT="1")
    ground.until(lambda: len(ground.committed()) >= pages, f"{pages} pages")
    yield running
    ground.behave()


def test_a_locked_file_is_waited_for_and_then_refused(lite) -> None:
    """Somebody else is in a long transaction when the run wants to begin."""
    assert lite.forked("migrate").code == 0
    with closing(sqlite3.connect(lite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = lite.forked(*SYNC, ETL_BUSY_TIMEOUT="0.2")
        other.execute("ROLLBACK")

    is_refused(done, "locked by another process")
    recovers(lite)


def test_a_file_locked_half_way_ends_the_run(lite) -> None:
    """Pages that were committed before the lock stay, the lock's owner is not disturbed."""
    with paused_halfway(lite) as running, closing(sqlite3.connect(lite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = lite.wait(running)
        other.execute("ROLLBACK")

    is_refused(done, "locked by another process")
    lite.is_sound()
    recovers(lite)


def test_a_long_reader_hinders_no_run_and_leaves_no_log_behind(lite) -> None:
    """A dashboard in a long transaction keeps what it saw; the log that grows meanwhile goes with the next run."""
    recovers(lite)
    count = "SELECT count(*), max(_etl_seq) FROM shop_items"
    with closing(sqlite3.connect(lite.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute(count).fetchall()
        lite.execute("UPDATE shop_items SET _etl_hash = x'00'")  # so that every row is written again
        recovers(lite)
        assert reader.execute(count).fetchall() == seen
        reader.execute("COMMIT")
        assert reader.execute(count).fetchall() != seen

    recovers(lite)

    assert not lite.path.with_name("etl.db-wal").exists()


def test_a_file_that_is_no_database_is_not_touched(lite) -> None:
    """A spreadsheet under the database's name stays a spreadsheet."""
    lite.path.write_bytes(b"name;price\ncup;3\n" * 100)

    is_refused(lite.forked(*SYNC), "is not a SQLite database")

    assert lite.path.read_bytes() == b"name;price\ncup;3\n" * 100
    lite.path.unlink()
    recovers(lite)


def test_a_damaged_file_is_refused_and_not_overwritten(lite) -> None:
    """Pages in the middle of the file are garbage: nothing is claimed, and a restored backup goes on."""
    recovers(lite)
    lite.value("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = lite.path.read_bytes()
    garbled = backup[:4096] + b"\xff" * (len(backup) - 8192) + backup[-4096:]
    lite.path.write_bytes(garbled)

    is_refused(lite.forked(*SYNC), "is damaged")

    lite.path.write_bytes(backup)
    recovers(lite)


def test_a_table_dropped_half_way_ends_the_run_and_names_it(ground) -> None:
    """Nobody re-creates it behind the owner's back within the run; exit 6 names the table."""
    with paused_halfway(ground) as running:
        ground.execute("DROP TABLE shop_items")
        done = ground.wait(running)

    is_refused(done, "shop_items")


def test_a_folder_that_may_not_be_written_is_named(lite, tmp_path) -> None:
    """No new file can be made there; root may write everywhere, so a file stands where a folder should."""
    (tmp_path / "taken").write_text("a file")
    lite.database = f"sqlite:///{tmp_path / 'taken' / 'etl.db'}"

    is_refused(lite.forked(*SYNC), "cannot be opened")


@contextmanager
def mounted(folder, size: str):
    """A file system of its own, for root on a machine that permits it."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write read-only files")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_or_folder_without_write_permission_is_refused(lite, what) -> None:
    """The file stays as it is."""
    recovers(lite)
    place = lite.path if what == "file" else lite.path.parent
    mode = place.stat().st_mode
    place.chmod(mode & ~0o222)
    try:
        is_refused(lite.forked(*SYNC, "--full"))
    finally:
        place.chmod(mode)
    recovers(lite)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_read_only_disk_is_refused(lite, tmp_path) -> None:
    """Mounted read-only, as after an error of the disk."""
    disk = tmp_path / "disk"
    with mounted(disk, "16m") as remount:
        lite.database = f"sqlite:///{disk / 'etl.db'}"
        recovers(lite)
        remount("ro")
        done = lite.forked(*SYNC, "--full")
        remount("rw")

        is_refused(done, "etl.db")
        recovers(lite)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_ends_the_run_and_leaves_the_database_whole(lite, tmp_path) -> None:
    """A real file system of 512 KiB; with more room the next run goes on."""
    disk = tmp_path / "disk"
    with mounted(disk, "512k") as remount:
        lite.database = f"sqlite:///{disk / 'etl.db'}"
        is_refused(lite.forked(*SYNC), "the disk is full")
        remount("size=16m")
        lite.is_sound()
        recovers(lite)


def test_a_read_only_server_is_refused(pg) -> None:
    """A standby, or `default_transaction_read_only`: exit 6 says so, and a writable server goes on."""
    recovers(pg)
    name = pg.value("SELECT current_database() AS n")
    pg.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    done = pg.forked(*SYNC, "--full")
    pg.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only', read_only="off")

    is_refused(done, "is read-only")
    recovers(pg)


def test_a_missing_permission_is_named(pg) -> None:
    """A user that may log in and nothing else."""
    recovers(pg)
    own = pg.database
    role = "guest_" + pg.value("SELECT current_database() AS n")[-8:]
    pg.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
    try:
        pg.database = pg.as_user(role, "guest")
        done = pg.forked(*SYNC, "--full")
    finally:
        pg.database = own
        pg.execute(f"DROP ROLE {role}")

    is_refused(done, "permission denied")
    recovers(pg)


def test_a_lock_that_somebody_holds_on_the_table_is_named(pg) -> None:
    """An open ALTER TABLE in another session: waited for, then refused."""
    recovers(pg)
    with pg.session() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE shop_items IN ACCESS EXCLUSIVE MODE")
        done = pg.forked("sync", "shop.items", "--full", "--quiet", ETL_BUSY_TIMEOUT="0.3")
        other.execute("ROLLBACK")

    is_refused(done, "locked by another session")
    recovers(pg)
