"""Pages without a server: lists of keys that answer page requests, for tests of whatever stands behind the client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from etl.model.instants import Cursor
from etl.model.page import Page, PageFacts, PageRequest, Reject, Response, Row, RowBlock
from etl.testing.clock import NOON


def digest_of(key: object) -> bytes:
    """The 8 bytes that stand for a key in `PageFacts.key_digests` of the pages made here."""
    return hashlib.blake2b(json.dumps(key).encode(), digest_size=8).digest()


def facts_of(keys: Sequence[object], **more: object) -> PageFacts:
    """The facts of a page with these keys; `more` are further facts, such as `total_rows=3`."""
    digests = b"".join(map(digest_of, keys))
    facts = PageFacts(
        count=len(keys),
        first_key=json.dumps(keys[0]) if keys else None,
        last_key=json.dumps(keys[-1]) if keys else None,
        key_digests=digests,
        digest=hashlib.blake2b(digests, digest_size=8).digest(),
    )
    return replace(facts, **more)  # type: ignore[arg-type]  # the names are checked by `replace`


def page_of(
    request: PageRequest,
    keys: Sequence[object],
    *,
    facts: PageFacts | None = None,
    rows: Sequence[Row] | None = None,
    cursors: Sequence[Cursor | None] | None = None,
    rejects: tuple[Reject, ...] = (),
    version: int = 1,
    seq: int = 0,
    at: datetime = NOON,
    body: bytes = b"",
) -> Page:
    """A decoded page. Its rows are the keys alone unless `rows` are given."""
    keyed: list[Row] = [(key,) for key in keys]
    block = RowBlock(
        version=version,
        rows=list(rows) if rows is not None else keyed,
        keys=keyed,
        hashes=[hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in (rows or keyed)],
        cursors=list(cursors) if cursors is not None else [None] * len(keyed),
    )
    response = Response(
        status=200, headers={}, body=body, url="http://fake.test/list", served_at=at, started_at=at, seq=seq
    )
    return Page(request=request, response=response, facts=facts or facts_of(keys), block=block, rejects=rejects)


@dataclass(slots=True, kw_only=True)
class FakeList:
    """A list that answers requests by page number, offset or cursor. `keys` may change between two answers.

    `first_page` is the number of the first page. Cursors are the position of the next row. `tells_total` puts the
    number of rows and of pages into the facts.
    """

    keys: list[object]
    size: int = 10
    first_page: int = 0
    tells_total: bool = True
    by_cursor: bool = False

    def answer(self, request: PageRequest, *, seq: int = 0) -> Page:
        """The page that a request names."""
        start = self._start(request)
        keys = self.keys[start : start + self.size]
        more = start + self.size < len(self.keys)
        facts = facts_of(keys)
        if self.tells_total:
            facts = replace(facts, total_rows=len(self.keys), total_pages=-(-len(self.keys) // self.size))
        if self.by_cursor:
            facts = replace(facts, next_cursor=start + self.size if more else None, more=more)
        return page_of(request, keys, facts=facts, seq=seq)

    def _start(self, request: PageRequest) -> int:
        if request.page is not None:
            return (request.page - self.first_page) * self.size
        if request.offset is not None:
            return request.offset
        return int(str(request.cursor)) if request.cursor is not None else 0
