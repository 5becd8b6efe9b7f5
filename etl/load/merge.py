"""Which rows of a batch are new, changed or as they were: pure, exact, and the same rule as the guard in the SQL."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.db.journal import Line
from etl.model.instants import Cursor
from etl.model.page import Page, Row

Key = Any
"""The value of a key of one column, the tuple of a key of several."""
Version = tuple[bytes | None, Cursor | None, int, bool]
"""Hash, cursor and seq of a version of a row, and whether it is marked as deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a row of a batch is marked as deleted: with `at`, the driver's instant of the batch.

    `inferred` marks are taken away by any later reading that brings the row, whatever its cursor. `known_only` leaves
    out deletions of rows that are not stored: a tombstone often holds nothing but the key.
    """

    at: object
    inferred: bool = False
    known_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What a batch comes to: the rows to send, in the order of `Shape.sent`, and a line for each page."""

    rows: list[Row]
    lines: list[Line]


def batch_keys(pages: Sequence[Page], width: int) -> list[list[Key]]:
    """The keys of every page; single values where the key is one column."""
    if width == 1:
        return [[key[0] for key in page.block.keys] for page in pages]
    return [page.block.keys for page in pages]


def sequence(ordinal: int, page: Page) -> int:
    """The `_etl_seq` of a page's rows: later runs above earlier ones, then the order in which requests were started."""
    return first_seq(ordinal) | page.response.seq


def first_seq(ordinal: int) -> int:
    """The smallest `_etl_seq` of a run."""
    return ordinal << 32


def is_newer(new: Version, old: Version, upper: Cursor | None) -> bool:
    """Whether `new` replaces `old`: by cursor; by seq for ties, missing cursors, and versions dated beyond `upper`."""
    _, ours, seq, _ = new
    _, theirs, stored_seq, _ = old
    if ours is None or theirs is None or ours == theirs:
        return seq >= stored_seq
    if upper is not None and (theirs > upper or ours > upper):  # type: ignore[operator]  # one kind a stream
        return seq >= stored_seq
    return ours > theirs  # type: ignore[operator]  # one kind a stream


def append(pages: Sequence[Page], ordinal: int, *, with_cursor: bool, mark: Mark | None = None) -> Merge:
    """Rows of a table without key: all new, but for pages that were read before in this generation."""
    rows: list[Row] = []
    lines: list[Line] = []
    for page in pages:
        block = page.block
        if page.request.attempt:  # read again for a proof; without a key its rows would double
            lines.append(Line(page=page, unchanged=len(block.rows)))
            continue
        seq = sequence(ordinal, page)
        tails = _tails(page, seq, with_cursor=with_cursor, mark=mark)
        rows += [row + tail for row, tail in zip(block.rows, tails, strict=True)]
        lines.append(Line(page=page, inserted=len(block.rows)))
    return Merge(rows=rows, lines=lines)


def merge(
    pages: Sequence[Page],
    keys: Sequence[Sequence[Key]],
    stored: dict[Key, Version],
    *,
    ordinal: int,
    upper: Cursor | None,
    with_cursor: bool,
    mark: Mark | None = None,
    floor: int = 0,
) -> Merge:
    """Compare a batch with what is stored. `keys` are those of `batch_keys`; a key that comes twice is sent once.

    `mark` is None where the table does not mark deletions. Rows that come back are sent even when nothing else changed.
    Stored rows with a seq below `floor` are replaced whatever their cursor.
    """
    winners = _winners(pages, keys, ordinal, upper)
    known_only = mark is not None and mark.known_only
    rows: list[Row] = []
    inserted, updated = [0] * len(pages), [0] * len(pages)
    for number, page in enumerate(pages):
        block = page.block
        seq = sequence(ordinal, page)
        tails = _tails(page, seq, with_cursor=with_cursor, mark=mark)
        if winners is None and not stored and not (known_only and block.gone):  # a first load: nothing to compare with
            rows += map(operator.add, block.rows, tails)
            inserted[number] = len(block.rows)
            continue
        for index, key in enumerate(keys[number]):
            place, counted = ((number, index), number) if winners is None else winners[key]
            if place != (number, index):
                continue
            old = stored.get(key)
            if old is None and known_only and index in block.gone:
                continue
            if old is None:
                inserted[counted] += 1
            elif (old[0] == block.hashes[index] and bool(old[3]) is (index in block.gone)) or not _replaces(
                (None, block.cursors[index] if with_cursor else None, seq, False), old, upper, mark, floor
            ):
                continue
            else:
                updated[counted] += 1
            rows.append(block.rows[index] + tails[index])
    return Merge(rows=rows, lines=[_line(*each) for each in zip(pages, inserted, updated, strict=True)])


def _replaces(new: Version, old: Version, upper: Cursor | None, mark: Mark | None, floor: int) -> bool:
    if old[2] < floor:
        return True
    if mark is not None and mark.inferred and old[3]:
        return new[2] >= old[2]
    return is_newer(new, old, upper)


def _line(page: Page, inserted: int, updated: int) -> Line:
    unchanged = len(page.block.rows) - inserted - updated
    return Line(page=page, inserted=inserted, updated=updated, unchanged=unchanged)


def _tails(page: Page, seq: int, *, with_cursor: bool, mark: Mark | None) -> list[Row]:
    block = page.block
    if with_cursor:
        tails: list[Row] = [(seq, cursor, digest) for cursor, digest in zip(block.cursors, block.hashes, strict=True)]
    else:
        tails = [(seq, digest) for digest in block.hashes]
    if mark is None:
        return tails
    return [(*tail, mark.at if index in block.gone else None) for index, tail in enumerate(tails)]


def _winners(
    pages: Sequence[Page], keys: Sequence[Sequence[Key]], ordinal: int, upper: Cursor | None
) -> dict[Key, tuple[tuple[int, int], int]] | None:
    """Page and index of the newest version of every key, and the page it is counted with; None when no key comes twice.

    A page that was read again for a proof counts a row only when no other page of the batch has it.
    """
    total = sum(map(len, keys))
    if len(set().union(*keys)) == total:
        return None
    best: dict[Key, tuple[Version, tuple[int, int]]] = {}
    counted: dict[Key, int] = {}
    for number in sorted(range(len(pages)), key=lambda number: pages[number].response.seq):
        seq, cursors = sequence(ordinal, pages[number]), pages[number].block.cursors
        again = pages[number].request.attempt > 0
        for index, key in enumerate(keys[number]):
            version: Version = (None, cursors[index], seq, False)
            found = best.get(key)
            if found is None or is_newer(version, found[0], upper):
                best[key] = (version, (number, index))
                if not again:
                    counted[key] = number
    return {key: (place, counted.get(key, place[0])) for key, (_, place) in best.items()}
