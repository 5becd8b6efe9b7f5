"""Seeded worlds: while the list changes between the requests, no verified reading calls a living row deleted.

The list, the reading and its proof are simulated; the ledger's digests, the table and the sweep are the real ones.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import text

from etl.db.database import Database, open_database
from etl.db.evolution import apply_schema
from etl.model.run import RunKind, RunStatus, RunTrigger
from etl.model.schema import Column, ColumnType, TableSchema
from etl.model.stream import Deletes, DeletesKind
from etl.model.verdict import Verdict
from etl.normalize import digest_of_key
from etl.runs import Ending, RunStore, StreamRun, Sweep

SCHEMA = TableSchema(version=1, columns=(Column(name="id", type=ColumnType.BIGINT, path=("id",)),), key=("id",))
SEEDS = range(8)


def _worlds() -> ModuleType:
    """The simulated list of the proofs' own test."""
    file = Path(__file__).with_name("test_proofs_under_mutation.py")
    spec = importlib.util.spec_from_file_location("proofs_under_mutation", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def worlds() -> ModuleType:
    return _worlds()


async def begin(store: RunStore, database: Database, stream) -> StreamRun:
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO _etl_leases (stream, token, holder) VALUES ('world.rows', 1, 'me') "
                "ON CONFLICT (stream) DO UPDATE SET token = 1, holder = 'me'"
            )
        )
    run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="0")
    return await store.begin_stream(
        run_id, stream=stream.id, table=stream.table, kind=RunKind.SYNC, token=1, fingerprint="f"
    )


@pytest.mark.parametrize("name", ["coverage", "probes", "bracket"])
@pytest.mark.parametrize("mutation", ["deletes", "deletes-and-tail-inserts"])
async def test_no_living_row_is_ever_marked_by_a_verified_reading(worlds, tmp_path, clock, name, mutation) -> None:
    """And rows that were gone before the reading began are marked by it, however much else moved."""
    target = worlds.TARGETS[name]
    stream = replace(target, deletes=Deletes(kind=DeletesKind.INFER), fingerprint="f")
    marked = 0
    for seed in SEEDS:
        world = worlds.World.of(seed)
        gone = {world.rows[place] for place in (3, 50, 120)}
        before = list(world.rows)
        world.rows = [row for row in world.rows if row not in gone]
        world.persistent -= gone
        judgement, source = await worlds.read(target, world, worlds.MUTATIONS[mutation], 0.3)
        async with open_database(f"sqlite:///{tmp_path / f'{seed}.db'}", clock=clock) as database:
            await database.migrate()
            store = RunStore(database, clock)
            await apply_schema(database, stream, SCHEMA, (), ordinal=None, now=clock.now())
            async with database.write() as connection:
                for row in before:
                    await connection.execute(
                        text("INSERT INTO world_rows (id, _etl_seq, _etl_first_seen_at) VALUES (:i, 1, '2020-01-01')"),
                        {"i": row},
                    )
            run = await begin(store, database, stream)
            async with database.write() as connection:
                digests = b"".join(digest_of_key((row,)) for row in source.delivered)
                await connection.execute(
                    text(
                        "INSERT INTO _etl_pages (ordinal, generation, stream, position, seq, items, key_digests, "
                        "status, requested_at, seconds, committed_at) "
                        "VALUES (:o, :g, :s, 'all', 1, :n, :d, 200, '2026-01-01', 0, '2026-01-01')"
                    ),
                    {
                        "o": run.ordinal,
                        "g": run.generation,
                        "s": stream.id,
                        "n": len(source.delivered),
                        "d": digests,
                    },
                )
            if judgement.verdict is not Verdict.VERIFIED:
                continue
            sweep = Sweep(database, stream, run, digest_of_key)
            missing = await sweep.look(twice=False, confirmed=len(before))
            ending = Ending(status=RunStatus.SUCCEEDED, exit_code=0, seconds=0.0, deleted=missing.count)
            await store.finish_stream(run, ending, sweep.removal(missing, keep=False))
            async with database.read() as connection:
                found = await connection.execute(text("SELECT id FROM world_rows WHERE _etl_deleted_at IS NOT NULL"))
                dead = set(found.scalars())
            assert not dead & world.persistent, (seed, sorted(dead & world.persistent))
            assert gone <= dead, (seed, judgement)
            marked += 1
    assert marked, "no reading was verified, so nothing was tested"
