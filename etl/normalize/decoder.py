"""The decoder of one stream: holds the current schema, chooses the route of a page, and gathers its facts."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Final

import msgspec

from etl.errors import MalformedPage
from etl.model.instants import Cursor
from etl.model.page import Page, PageFacts, PageRequest, Reject, Response, RowBlock
from etl.model.schema import SchemaChange, TableSchema
from etl.model.source import Limits
from etl.model.stream import Stream
from etl.normalize.careful import MAX_RAW, CarefulRoute, CarefulRows, Draft
from etl.normalize.compiled import Compiled, Decoded, NeedsCare, NotCompilable, fits_compiled
from etl.normalize.conversion import Misfit, Refused, TooDeep
from etl.normalize.deletions import Deletions
from etl.normalize.envelope import Document, Selections, Values, not_json, too_deep
from etl.normalize.evolution import evolved, settled
from etl.normalize.fields import Fields, Leaves, Path
from etl.normalize.layout import MAX_KEY, Layout, key_text
from etl.normalize.listing import Listing
from etl.normalize.mending import Mender
from etl.normalize.observed import cursor_facts, key_facts, order_fact, sorted_by
from etl.normalize.shell import Shell
from etl.normalize.storage import Dialect
from etl.normalize.surrogates import Originals, without_lone_surrogates

MAX_RECORD: Final = Limits().record
# What the compiled route raises over a page with a surprise in it. ValueError and its like come from values that do not
# fit; whatever the cause, the careful route decides, and raises again what is not about an item.
_CAREFUL: Final = (
    NeedsCare, Misfit, Refused, TooDeep, msgspec.DecodeError, ValueError, TypeError, OverflowError,
)  # fmt: skip
_BOM: Final = b"\xef\xbb\xbf"


class StreamDecoder:
    """Implements `ports.Decoder` for one stream and one database.

    `schema` is what the database holds of the stream's table, None for a table that does not exist. An item larger than
    `max_record_bytes` becomes a reject. Every item passes through `mender` first. Not safe to share between threads;
    decoding never waits.
    """

    def __init__(
        self,
        stream: Stream,
        schema: TableSchema | None,
        dialect: Dialect,
        *,
        max_record_bytes: int = MAX_RECORD,
        mender: Mender | None = None,
    ) -> None:
        self._mender = mender
        self._stream = stream
        self._dialect = dialect
        self._max_record_bytes = max_record_bytes
        self._fields = Fields(stream)
        self._selections = Selections(stream)
        self._listing = Listing(stream)
        self._deletions = Deletions(stream)
        self._route = CarefulRoute(stream, self._fields, max_record_bytes)
        self._changes: list[tuple[int, tuple[SchemaChange, ...]]] = []
        self._loose: frozenset[Path] = frozenset()
        self.upper_bound: Cursor | None = None
        """U: rows with a later cursor count as `future_rows`. None counts none."""
        known = schema or TableSchema(version=0, columns=(), key=())
        self._adopt(*settled(known, self._fields))

    @property
    def schema(self) -> TableSchema:
        """The current schema; version 0 without columns until the first item of a new table was seen."""
        return self._schema

    @property
    def changes(self) -> tuple[tuple[int, tuple[SchemaChange, ...]], ...]:
        """Every version this decoder made, oldest first, with what changed in it."""
        return tuple(self._changes)

    def changes_since(self, version: int) -> tuple[SchemaChange, ...]:
        """What changed after `version`, in order."""
        return tuple(change for made, changes in self._changes if made > version for change in changes)

    def again(self, page: Page) -> Page:
        """The page under the newest version; the page itself when it is of that version.

        Its facts stay: the chain has followed them.
        """
        if page.block.version == self._schema.version:
            return page
        made = self.decode(page.request, page.response)
        block = made.block if page.keep is None else page.keep.chosen(made.block, page.request.window)
        return replace(page, block=block, rejects=made.rejects)

    def decode(self, request: PageRequest, response: Response) -> Page:
        """One page. Raises MalformedPage, and RateLimited or ExpectationBroken where `fail_if` says so."""
        if response.status >= 400:  # the client found that the list ended before this page
            return self._empty(request, response, PageFacts(count=0, refused=response.status))
        if response.status == HTTPStatus.NOT_MODIFIED:  # its headers may repeat the token, and need not: it stays
            return self._empty(request, response, PageFacts(count=0, unchanged=True))
        body = response.body.removeprefix(_BOM).strip() if response.body[:1] not in (b"{", b"[") else response.body
        if not body:
            raise MalformedPage("the answer is empty", why=f"status {response.status}", reason="empty")
        page = self._fast(body, request, response) if self._compiled is not None else None
        return page or self._careful(body, request, response)

    def _empty(self, request: PageRequest, response: Response, facts: PageFacts) -> Page:
        block = RowBlock(version=self._schema.version, rows=[], keys=[], hashes=[], cursors=[])
        return Page(request=request, response=response, facts=facts, block=block)

    def _fast(self, body: bytes, request: PageRequest, response: Response) -> Page | None:
        """The page by the compiled route; None when it has to be looked at item by item."""
        compiled, shell = self._compiled, self._shell
        if compiled is None or shell is None or len(body) > self._max_record_bytes:
            return None
        document = Document(body)
        try:
            items, values = shell.decode(body)
            decoded = self._decoded(compiled, items, body, request)
            last = items[-1] if items else None
            for name, path in self._selections.last.items():
                values[name] = None if last is None else compiled.peek(last, path)
        except _CAREFUL:
            return None
        except RecursionError:
            raise too_deep() from None
        values |= self._selections.read_plain(shell.unread, document) | self._selections.rest(response, document)
        self._selections.check(values, response)
        looked_at = self._listing.items(document, request.window.variables) if self._deletions.looks_at_items else []
        return self._compiled_page(request, response, decoded, values, looked_at)

    def _decoded(self, compiled: Compiled, items: list[object], body: bytes, request: PageRequest) -> Decoded:
        decoded = compiled.rows(items, self._constants(request))
        if b"\\u0000" in body:
            compiled.check_texts(decoded.rows)
        if len(body) > MAX_KEY:
            compiled.check_keys(decoded.keys)
        return decoded

    def _reshaped(self, items: list[bytes], request: PageRequest) -> Decoded | None:
        """Items that were taken out of another shape, by the compiled route; None when they need care."""
        compiled = self._compiled
        if compiled is None or self._shell is not None or any(len(i) > self._max_record_bytes for i in items):
            return None
        body = b"[" + b",".join(items) + b"]"
        try:
            return self._decoded(compiled, msgspec.json.decode(body, type=self._list_type), body, request)
        except _CAREFUL:
            return None

    def _compiled_page(
        self, request: PageRequest, response: Response, decoded: Decoded, values: Values, items: list[bytes]
    ) -> Page:
        """`items` are those of the rows, and may be left out where nobody looks at them."""
        texts = [key_text(key) for key in decoded.keys] if self._layout.key else [None] * len(decoded.rows)
        block = RowBlock(
            version=self._schema.version,
            rows=decoded.rows,
            keys=decoded.keys,
            hashes=decoded.hashes,
            cursors=decoded.cursors,
            gone=self._deletions.of_rows(decoded.rows, self._layout) | self._deletions.of_items(items),
        )
        return self._page(request, response, block, texts=texts, values=values, rejects=())

    def _careful(self, body: bytes, request: PageRequest, response: Response) -> Page:
        cleaned = without_lone_surrogates(body)
        try:
            body.decode()
            values, read = self._read(cleaned or body, request, response)
            items, unmended = (read, {}) if self._mender is None else self._mender(read)
            decoded = None if unmended else self._reshaped(items, request)
            if decoded is not None:
                return self._compiled_page(request, response, decoded, values, items)
            drafts = self._route.drafts(self._wrapped(items), self._constant_leaves(request))
            for index, reason in unmended.items():
                drafts[index].refuse(reason)
            self._evolve(drafts)
            out = self._route.rows(drafts, self._layout)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise not_json(problem) from None
        except (RecursionError, TooDeep):
            raise too_deep() from None
        rejects = tuple(out.rejects)
        if self._mender is not None:  # what the API sent is kept: a replay goes through the hook again
            rejects = tuple(replace(reject, raw=read[reject.index][:MAX_RAW]) for reject in rejects)
        elif cleaned is not None:
            rejects = _restored(rejects, drafts, Originals(body, cleaned))
        self._loosen(out)
        accepted = [draft.raw for draft in out.accepted] if self._deletions.looks_at_items else []
        block = RowBlock(
            version=self._schema.version,
            rows=out.rows,
            keys=out.keys,
            hashes=out.hashes,
            cursors=out.cursors,
            gone=self._deletions.of_rows(out.rows, self._layout) | self._deletions.of_items(accepted),
        )
        return self._page(request, response, block, texts=out.key_texts, values=values, rejects=rejects)

    def _read(self, body: bytes, request: PageRequest, response: Response) -> tuple[Values, list[bytes]]:
        """What the envelope says, then the items; a failure that `fail_if` names comes before missing records."""
        document = Document(body)
        msgspec.json.decode(body, type=msgspec.Raw)
        values = self._selections.read_plain(self._selections.plain, document) | self._selections.rest(
            response, document
        )
        self._selections.check(values, response)
        items = self._listing.items(document, request.window.variables)
        values |= self._selections.read_last(items[-1] if items else None)
        return values, items

    def _wrapped(self, items: list[bytes]) -> list[bytes]:
        """Bare texts and numbers become `{"value": x}`, where the table has such a column or does not exist yet."""
        bare = bool(items) and all(item[0] not in b"{[n" for item in items)
        if not bare or (self._schema.version and ("value",) not in self._layout.index):
            return items
        return [b'{"value":' + item + b"}" for item in items]

    def _evolve(self, drafts: list[Draft]) -> None:
        leaves = [draft.leaves for draft in drafts if not draft.reason]
        schema, changes = evolved(self._schema, leaves, self._stream, self._fields)
        if changes:
            self._adopt(schema, changes)

    def _loosen(self, out: CarefulRows) -> None:
        """Columns that hold literals in another spelling than the compiled one are read raw from now on."""
        columns = [column for column in self._schema.columns if column.path and column.path not in self._loose]
        found = {
            column.path
            for column in columns
            if any(not fits_compiled(column.type, draft.leaves.get(column.path, b"null")) for draft in out.accepted)
        }
        if found:
            self._loose |= found
            self._compile()

    def _adopt(self, schema: TableSchema, changes: tuple[SchemaChange, ...]) -> None:
        self._schema = schema
        if changes:
            self._changes.append((schema.version, changes))
        self._layout = Layout(schema, self._stream, self._dialect)
        self._compile()

    def _compile(self) -> None:
        self._compiled: Compiled | None = None
        self._shell: Shell | None = None
        if not self._schema.version:
            return
        try:
            self._compiled = Compiled(self._layout, self._fields, self._stream.contract, self._loose)
        except NotCompilable:
            return
        item_type = self._compiled.item_type
        self._list_type = list[item_type]  # type: ignore[valid-type]  # the type is made at run time
        if self._listing.plain is not None and self._mender is None:
            self._shell = Shell(self._listing.plain, self._selections.plain, item_type)

    def _constant_leaves(self, request: PageRequest) -> Leaves:
        """The columns of `add` as literals, so that they are typed and stored as any other value."""
        return {
            (name,): msgspec.json.encode(template.render(request.window.variables))
            for name, template in self._stream.add
            if name in self._fields.constants
        }

    def _constants(self, request: PageRequest) -> list[object]:
        if not self._fields.constants:
            return []
        leaves = self._constant_leaves(request)
        return [self._layout.value(place, leaves.get(c.path)) for place, c in enumerate(self._schema.columns)]

    def _page(
        self,
        request: PageRequest,
        response: Response,
        block: RowBlock,
        *,
        texts: list[bytes] | list[bytes | None] | list[None],
        values: Values,
        rejects: tuple[Reject, ...],
    ) -> Page:
        facts = PageFacts(
            **key_facts(texts, response.body, has_key=bool(self._fields.key)),
            **cursor_facts(block.cursors, request.window, self.upper_bound),
            **self._selections.facts(values, response),
            order_broken=self._order_broken(block),
            sorted_by=sorted_by(block.keys, block.cursors) if self._layout.key_is_plain else frozenset(),
        )
        return Page(request=request, response=response, facts=facts, block=block, rejects=rejects)

    def _order_broken(self, block: RowBlock) -> str:
        order, places = self._stream.order, self._layout.order
        return order_fact(block.rows, places, descending=order.descending) if order and places else ""


def _restored(rejects: tuple[Reject, ...], drafts: list[Draft], originals: Originals) -> tuple[Reject, ...]:
    """The rejects with the bytes the API sent, and the reason they had before their surrogates were replaced."""
    raws = [originals.of(draft.raw) for draft in drafts]
    return tuple(
        reject
        if raws[reject.index] == drafts[reject.index].raw
        else replace(
            reject,
            raw=raws[reject.index][: len(reject.raw)],
            reason="text with a lone surrogate, which no database stores",
        )
        for reject in rejects
    )
