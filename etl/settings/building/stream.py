"""From a stream's keys, after defaults, to `model.stream.Stream`."""

from __future__ import annotations

from typing import Final

from etl.model.schema import ColumnType, Contract
from etl.model.selector import SelectorKind
from etl.model.stream import ColumnChoice, Deletes, DeletesKind, Expect, Stream, Write
from etl.model.template import Template
from etl.settings.building.answer import build_paging, build_records
from etl.settings.building.desk import Texts
from etl.settings.building.feed import build_feed
from etl.settings.building.members import build_members
from etl.settings.building.order import build_order, fields
from etl.settings.building.request import build_request
from etl.settings.building.window import build_incremental
from etl.settings.format.deletes import DeletesPart
from etl.settings.format.expect import ExpectPart
from etl.settings.format.stream import StreamPart

_WRITES: Final = {"merge": Write.UPSERT, "append": Write.APPEND, "replace": Write.REPLACE}


def build_stream(
    source: str, name: str, part: StreamPart, texts: Texts, *, file: str, line: int, fingerprint: str
) -> Stream:
    """The stream; what its keys say together is checked by `rules`."""
    return Stream(
        source=source,
        name=name,
        table=part.table or f"{source}_{name}",
        request=build_request(part, texts),
        records=build_records(part, texts),
        pages=build_paging(part, texts),
        key=fields(part.key),
        write=_WRITES[part.write] if part.write else Write.UPSERT,
        columns={column: _choice(choice) for column, choice in (part.columns or {}).items() if choice is not None},
        flatten=part.flatten or 0,
        add=_added(part, texts),
        incremental=build_incremental(part.incremental, texts),
        for_each=build_members(part.for_each, source, texts),
        feed=build_feed(part, texts),
        order=build_order(part, texts),
        deletes=_deletes(part.deletes, texts),
        contract=Contract(part.contract) if part.contract else Contract.EVOLVE,
        expect=_expect(part.expect),
        fail_if=part.fail_if,
        item_hook=(part.hooks.item or "") if part.hooks is not None else "",
        schedule=part.schedule,
        tags=tuple(part.tags or ()),
        file=file,
        line=line,
        fingerprint=fingerprint,
    )


def _choice(word: str) -> ColumnChoice:
    if word in ("drop", "volatile"):
        return ColumnChoice(drop=word == "drop", volatile=word == "volatile")
    return ColumnChoice(type=ColumnType(word))


def _added(part: StreamPart, texts: Texts) -> tuple[tuple[str, Template], ...]:
    return tuple(
        (name, texts.template(texts.written(value, ("add", name)), ("add", name)))
        for name, value in (part.add or {}).items()
        if value is not None
    )


def _deletes(part: DeletesPart | str | None, texts: Texts) -> Deletes:
    if not isinstance(part, DeletesPart):
        return Deletes() if part is None else Deletes(kind=DeletesKind(part))
    if (part.field is None) is (part.when is None):
        texts.problem(("deletes",), "needs exactly one of field, when", at_key=True)
    elif part.field is not None:
        return Deletes(kind=DeletesKind.FIELD, field=part.field)
    elif part.when is not None and part.when.kind is not SelectorKind.BODY:
        texts.problem(("deletes", "when"), "looks at an item, which has no headers")
    return Deletes(kind=DeletesKind.WHEN, when=part.when)


def _expect(part: ExpectPart | None) -> Expect:
    if part is None:
        return Expect()
    share = part.max_reject_share
    return Expect(
        min_rows=part.min_rows,
        max_reject_share=Expect().max_reject_share if share is None else float(share),
        fresh=part.fresh,
        complete=part.complete,
    )
