"""Bugs, planted at real seams of the product: each breaks one line of behaviour, and the worlds have to notice.

Nothing of this is in the product; a bug is a set of patches that holds for the length of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import etl.load.merge
import etl.runs.conclusion
import etl.runs.ledger
import etl.runs.store
import etl.service.deletes
import etl.service.planning
import etl.service.stream_run
import etl.settings.loading
from etl.db.database import Database
from etl.extract.pagination.chain import CursorPages
from etl.load.statements import Shape
from etl.load.writer import TableWriter
from etl.model.instants import to_micros
from etl.model.run import RunStatus
from etl.model.window import Window
from etl.normalize import StreamDecoder, digest_of_key
from etl.runs.ledger import StreamLedger
from etl.runs.watermark import store as store_watermark
from etl.verify.bracket import Bracket
from etl.verify.coverage import Coverage
from worlds.loop import LIFE
from worlds.model import EPOCH
from worlds.story import ANY, Theme, Trace, play

Patch = tuple[Any, str, Any]
MOST_SEEDS = 60
"""Of every kind in question."""


@dataclass(frozen=True, kw_only=True)
class Bug:
    """`what` is the line of behaviour it breaks, `kinds` where it shows; `seed` and `kind` find it at once."""

    name: str
    what: str
    kinds: tuple[str, ...]
    patches: Callable[[], tuple[Patch, ...]]
    seed: int = 0
    kind: str = ""
    theme: Theme = ANY

    def worlds(self) -> Iterator[tuple[int, str, Theme]]:
        """Where to look for it: first where it was found last, then anywhere it could show."""
        if self.kind:
            yield self.seed, self.kind, self.theme
        for seed in range(MOST_SEEDS):
            for kind in self.kinds:
                yield seed, kind, self.theme

    def hunt(self) -> tuple[Trace, int] | None:
        """The world in which it breaks a promise that is kept without it, and how many were played.

        An exception is not enough: a patch that does not fit the product any more raises one too.
        """
        for count, world in enumerate(self.worlds(), start=1):
            with self.planted():
                trace = play(*world)
            if trace.broken and not play(*world).failure:
                return trace, count
        return None

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The product with this bug."""
        with ExitStack() as stack:
            for target, name, value in self.patches():
                stack.enter_context(patch.object(target, name, value))
            yield


def _watermark_a_page() -> tuple[Patch, ...]:
    real = StreamLedger.record

    async def record(self: StreamLedger, connection: Any, lines: Any) -> None:
        await real(self, connection, lines)
        seen = [line.page.facts.max_cursor for line in lines if line.page.facts.max_cursor is not None]
        if seen:
            moved = {"": (self._kind, max(seen))}
            now = self._clock.now()
            await store_watermark(connection, self._stream, moved, ordinal=self._form.ordinal, now=now)

    return ((StreamLedger, "record", record),)


def _exclusive() -> tuple[Patch, ...]:
    real = etl.service.planning._since

    def since(incremental: Any, watermark: Any) -> Any:
        found = real(incremental, watermark)
        return found + 1 if watermark is not None else found

    return ((etl.service.planning, "_since", since),)


def _no_token() -> tuple[Patch, ...]:
    async def check(*_: object) -> None: ...

    return (
        (etl.runs.ledger, "check_token", check),
        (etl.runs.store, "check_token", check),
        (etl.runs.conclusion, "check_token", check),
    )


def _ledger_first() -> tuple[Patch, ...]:
    async def commit(self: Any, pages: Any) -> None:
        pages = await self._aligned(pages)

        async def lines(connection: Any) -> None:
            await self._journal.check(connection)
            write, self._dialect = self._dialect, _Writeless(self._dialect)
            try:
                merged = await self._store(connection, pages)
            finally:
                self._dialect = write
            await self._journal.record(connection, merged.lines)

        async def rows(connection: Any) -> None:
            await self._journal.check(connection)
            await self._store(connection, pages)

        await self._database.transact(lines, lane=self._stream.id)
        await self._database.transact(rows, lane=self._stream.id)

    return ((TableWriter, "_commit", commit),)


class _Writeless:
    def __init__(self, dialect: Any) -> None:
        self.prefetch = dialect.prefetch

    async def write(self, *_: object, **__: object) -> None: ...


def _no_gaps() -> tuple[Patch, ...]:
    return ((Coverage, "_gaps", lambda _: []), (Coverage, "_reaches_the_end", lambda _: True))


def _tail_unseen() -> tuple[Patch, ...]:
    return ((Coverage, "_reaches_the_end", lambda _: True),)


def _advance(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[], tuple[Patch, ...]]:
    def patches() -> tuple[Patch, ...]:
        real = etl.runs.conclusion.advance

        def advance(step: Any, current: Any, upper_bound: Any) -> Any:
            step, upper_bound = change(step, upper_bound)
            return real(step, current, upper_bound)

        return ((etl.runs.conclusion, "advance", advance),)

    return patches


def _now() -> Any:
    life: Any = LIFE.get()
    return EPOCH + timedelta(seconds=life._world.loop.time())


def _no_winners() -> tuple[Patch, ...]:
    return ((etl.load.merge, "_winners", lambda *_: None),)


def _short_page_ends() -> tuple[Patch, ...]:
    real = CursorPages.following

    def following(self: Any, request: Any, facts: Any) -> Any:
        return () if facts.count < (self._paging.size or 0) else real(self, request, facts)

    return ((CursorPages, "following", following),)


def _sweeps_incomplete() -> tuple[Patch, ...]:
    return (
        (
            etl.service.deletes,
            "_is_whole",
            lambda _stream, _reading, outcome: outcome.status is not RunStatus.INTERRUPTED,
        ),
    )


def _rejects_unseen() -> tuple[Patch, ...]:
    real = StreamDecoder.decode

    def decode(self: Any, request: Any, response: Any) -> Any:
        page = real(self, request, response)
        if not page.rejects:
            return page
        digests = b"".join(digest_of_key(key) for key in page.block.keys)
        return replace(page, facts=replace(page.facts, count=len(page.block.rows), key_digests=digests))

    return ((StreamDecoder, "decode", decode),)


def _one_fingerprint() -> tuple[Patch, ...]:
    return ((etl.settings.loading, "fingerprint", lambda *_: "always the same"),)


def _last_writer_wins() -> tuple[Patch, ...]:
    return ((etl.load.merge, "is_newer", lambda *_: True), (Shape, "guard", lambda *_: "TRUE"))


def _unguarded_future() -> tuple[Patch, ...]:
    real_newer, real_guard = etl.load.merge.is_newer, Shape.guard
    return (
        (etl.load.merge, "is_newer", lambda new, old, _: real_newer(new, old, None)),
        (Shape, "guard", lambda self, _: real_guard(self, "NULL")),
    )


def _no_closing_look() -> tuple[Patch, ...]:
    return ((Bracket, "probes", lambda _: ()), (Bracket, "_held", lambda _: True))


def _again_blindly() -> tuple[Patch, ...]:
    async def is_stored(*_: object) -> bool:
        return False

    return ((Database, "_is_stored", is_stored),)


def _always_since() -> tuple[Patch, ...]:
    real = etl.service.stream_run.plan_sync

    def plan(*args: Any, **given: Any) -> Any:
        made = real(*args, **given)
        first = made.windows[0]
        return replace(made, windows=(Window(start=first.start or 0, end=first.end), *made.windows[1:]))

    return ((etl.service.stream_run, "plan_sync", plan),)


def _forgotten_pages() -> tuple[Patch, ...]:
    async def committed(*_: object) -> set[int]:
        return set()

    return ((StreamLedger, "committed", committed),)


def _stretched() -> tuple[Patch, ...]:
    """Overlap of no row: the next page begins where this one ends."""
    from etl.extract.pagination.overlapping import OverlappingPages, _request

    def page(self: Any, window: Any, ordinal: int, size: int, planned: int) -> Any:
        return _request(window, ordinal, self._first + ordinal * size, size, planned)

    return ((OverlappingPages, "_page", page), *_no_gaps())


PROVED_OFFSETS = ("offset", "offset-untold", "offset-since")
MARKED = ("offset-since", "keyset-since", "whole-then-filtered")
LATE_S = 0

BUGS = (
    Bug(
        name="watermark-a-page",
        what="the watermark moves only in the last transaction",
        kinds=MARKED,
        seed=1,
        kind="keyset-since",
        patches=_watermark_a_page,
    ),
    Bug(
        name="exclusive-bound",
        what="the lower bound is inclusive",
        kinds=MARKED,
        seed=1,
        kind="keyset-since",
        theme=Theme(two=0.0, lagged=0.0, dated=0.0, fates=(7,), faults=(0.0,), churn=(0.8,)),
        patches=_exclusive,
    ),
    Bug(
        name="no-token",
        what="every transaction checks the token",
        kinds=PROVED_OFFSETS,
        seed=8,
        kind="offset",
        theme=Theme(two=1.0),
        patches=_no_token,
    ),
    Bug(
        name="ledger-first",
        what="rows and ledger lines are one transaction",
        kinds=PROVED_OFFSETS,
        seed=2,
        kind="offset-untold",
        patches=_ledger_first,
    ),
    Bug(
        name="total-is-proof",
        what="coverage needs touching pages, a total that agrees is not enough",
        kinds=PROVED_OFFSETS,
        seed=1,
        kind="offset-untold",
        patches=_stretched,
    ),
    Bug(
        name="end-unseen",
        what="what lies beyond the last page has to come back empty",
        kinds=("offset-untold", "offset-lied"),
        seed=23,
        kind="offset-lied",
        patches=_tail_unseen,
    ),
    Bug(
        name="unbounded-watermark",
        what="a row from the future does not carry the watermark there",
        kinds=MARKED,
        seed=6,
        kind="offset-since",
        patches=_advance(lambda step, _: (step, EPOCH + timedelta(days=400_000))),
    ),
    Bug(
        name="bound-at-the-end",
        what="U is the time of the first answer, not of the last",
        kinds=MARKED,
        seed=0,
        kind="offset-since",
        theme=Theme(two=0.0, lagged=0.0, fates=(7,), faults=(0.0,), churn=(0.8,)),
        patches=_advance(lambda step, _: (replace(step, max_seen=to_micros(_now())), _now())),
    ),
    Bug(
        name="no-lag",
        what="the watermark loses the lag when it moves",
        kinds=MARKED,
        seed=4,
        kind="offset-since",
        patches=_advance(lambda step, bound: (replace(step, lag=timedelta(0)), bound)),
    ),
    Bug(
        name="doubled-keys",
        what="a key that comes twice in a batch is counted and written once",
        kinds=PROVED_OFFSETS,
        seed=0,
        kind="offset-untold",
        patches=_no_winners,
    ),
    Bug(
        name="short-page-ends",
        what="a short page does not end a chain",
        kinds=("keyset", "keyset-empty", "keyset-since"),
        seed=2,
        kind="keyset",
        patches=_short_page_ends,
    ),
    Bug(
        name="sweep-of-a-part",
        what="only a complete reading takes rows away",
        kinds=("infer-offset", "infer-keyset", "infer-append"),
        seed=1,
        kind="infer-offset",
        theme=Theme(two=0.0, fatal=(0.1,), fates=(7,)),
        patches=_sweeps_incomplete,
    ),
    Bug(
        name="rejects-unseen",
        what="a rejected row was seen and is not deleted",
        kinds=("infer-offset", "infer-keyset"),
        seed=45,
        kind="infer-offset",
        patches=_rejects_unseen,
    ),
    Bug(
        name="foreign-resume",
        what="a reading is completed only by runs of the same configuration",
        kinds=("offset", "keyset", "number-append", "infer-keyset"),
        seed=11,
        kind="number-append",
        theme=Theme(two=0.0, change=0.7, fates=(2,), fatal=(0.0,), half=1.0),
        patches=_one_fingerprint,
    ),
    Bug(
        name="past-a-failure",
        what="the watermark stays below the first window that failed",
        kinds=("windows",),
        seed=1,
        kind="windows",
        theme=Theme(two=0.0, fates=(7,), fatal=(0.1,), faults=(0.0,)),
        patches=_advance(lambda step, bound: (replace(step, pin=None), bound)),
    ),
    Bug(
        name="last-writer-wins",
        what="the newer version wins whatever the order of arrival",
        kinds=("offset-since", "whole-then-filtered"),
        seed=23,
        kind="whole-then-filtered",
        theme=Theme(
            two=0.0, fates=(7,), churn=(1.0,), faults=(0.0,), fatal=(0.0,), slow=(2.0,), lagged=1.0, skew=(-1.0, -0.9)
        ),
        patches=_last_writer_wins,
    ),
    Bug(
        name="frozen-by-the-future",
        what="a stored row from the future gives way to a normal one",
        kinds=MARKED,
        seed=0,
        kind="offset-since",
        theme=Theme(two=0.0, fates=(7,), churn=(0.8,)),
        patches=_unguarded_future,
    ),
    Bug(
        name="no-closing-look",
        what="the bracket is closed by another look at the last page",
        kinds=("number-append", "offset-append", "changes"),
        seed=1,
        kind="number-append",
        theme=Theme(two=0.0, fates=(7,), churn=(0.8,)),
        patches=_no_closing_look,
    ),
    Bug(
        name="again-blindly",
        what="after a COMMIT without an answer the ledger is asked",
        kinds=("offset", "keyset", "keyset-since"),
        seed=15,
        kind="keyset-since",
        theme=Theme(two=0.0, fates=(4,), faults=(0.0,)),
        patches=_again_blindly,
    ),
    Bug(
        name="always-since",
        what="a whole reading leaves the filter out, so that rows without a cursor come",
        kinds=("offset-since", "keyset-since"),
        seed=1,
        kind="offset-since",
        patches=_always_since,
    ),
)
