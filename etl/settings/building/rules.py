"""What the keys of a stream must say together. All of it is seen offline, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from etl.model.source import Source
from etl.model.stream import LIVE, DeletesKind, PagesKind, Stream, Write
from etl.model.template import Body, Placeholder, Template
from etl.settings.building.desk import Desk, Texts
from etl.settings.building.members import check_members
from etl.settings.building.request import PAGE_NAMES, WINDOW_NAMES
from etl.settings.document import Path
from etl.settings.format.stream import StreamPart
from etl.settings.layers import Merged
from etl.settings.problems import near

LONGEST_NAME: Final = 63
"""Bytes of an identifier in PostgreSQL; it cuts longer ones silently."""

_OWN_NAMES: Final = re.compile(
    r"_etl_.*|sqlite_.*|etl_(runs|run_streams|pages|requests|rejects|schema_changes|coverage|streams)"
)
_MOVED_BY: Final = {
    "page": (PagesKind.NUMBER, "number"),
    "offset": (PagesKind.OFFSET, "offset"),
    "cursor": (PagesKind.CURSOR, "cursor"),
}


def check_stream(stream: Stream, part: StreamPart, texts: Texts) -> None:
    """Report what does not fit together in one stream."""
    _check_write(stream, part, texts)
    _check_deletes(stream, texts)
    _check_names(stream, texts)
    check_members(stream.for_each, _templates(stream), dict(stream.add), texts)
    _check_paging(stream, texts)
    _check_window(stream, part, texts)
    _check_added(stream, texts)
    _check_table(stream, part, texts)


def check_host(stream: Stream, source: Source, texts: Texts) -> None:
    """Report a path that names another host than `base_url`: credentials do not follow there, and a run would stop."""
    first = stream.request.path.parts[0]
    url = first if isinstance(first, str) else ""
    if "://" not in url.partition("?")[0] or source.allow_hosts or "${" in source.base_url + url:
        return
    host, own = urlsplit(url).hostname, urlsplit(source.base_url).hostname
    if host != own:
        hint = f"make it a source of its own, or write allow_hosts: [{host}] if that host belongs to the API"
        texts.problem(("path",), f"leads to {host}, and the credentials belong to {own}", hint=hint)


def _check_deletes(stream: Stream, texts: Texts) -> None:
    """Deletions are found by key, and inferred only from lists that are read without a filter."""
    if stream.deletes.marked and not stream.key:
        texts.problem(("deletes",), "needs a `key`: which row is gone is told by it", at_key=True)
    if stream.deletes.marked and stream.write is Write.REPLACE:
        hint = "`write: replace` removes the rows of the last reading; take one of the two"
        texts.problem(("deletes",), "marks rows, and `write: replace` removes them", hint=hint, at_key=True)
    if not stream.sweeps:
        return
    where: Path = ("deletes",) if stream.deletes.kind is DeletesKind.INFER else ("write",)
    for path, template in _templates(stream):
        if not template.is_single and not template.names.isdisjoint(WINDOW_NAMES):
            message = f"compares whole lists, and {'.'.join(map(str, path))} always restricts them"
            hint = "give {start} and {end} parameters of their own: a full reading leaves those out"
            texts.problem(where, message, hint=hint, at_key=True)
            return


def check_tables(desk: Desk, streams: Iterable[tuple[Stream, Merged]]) -> None:
    """Report streams that would write one table."""
    owners: dict[str, str] = {}
    known = list(streams)
    views = {f"{stream.table}{LIVE}": stream.id for stream, _ in known if stream.deletes.marked}
    for stream, merged in known:
        if stream.table in views:
            message = f"its table {stream.table} has the name of the view of {views[stream.table]}"
            desk.report(merged.problem(("table",), message, hint="give it another `table`", at_key=True))
        first = owners.setdefault(stream.table, stream.id)
        if first != stream.id:
            message = f"writes the table {stream.table}, and so does {first}"
            desk.report(merged.problem(("table",), message, hint="give one of them another `table`", at_key=True))


def check_parents(desk: Desk, streams: Iterable[tuple[Stream, Merged]]) -> None:
    """Report members from streams that are not there, that drop the column, or that lead in a circle."""
    known = {stream.id: (stream, merged) for stream, merged in streams}
    for stream, merged in known.values():
        rows = stream.for_each.rows if stream.for_each is not None else None
        for name, path in rows.columns if rows is not None else ():
            assert rows is not None  # it has columns
            parent = known[rows.stream][0] if rows.stream in known else None
            problem = _parent_problem(stream, rows.stream, parent, path, known)
            if problem:
                desk.report(merged.problem(("for_each", name), problem[0], hint=problem[1]))


def _parent_problem(
    stream: Stream, named: str, parent: Stream | None, path: tuple[str, ...], known: Mapping[str, tuple[Stream, Merged]]
) -> tuple[str, str] | None:
    if parent is None:
        own = [other.removeprefix(f"{stream.source}.") for other in known if other.startswith(f"{stream.source}.")]
        name = named.partition(".")[2]
        others = [other for other in own if other != stream.name]
        return f"there is no stream `{name}` in this source", near(name, others) or "write a list, or stream.column"
    trail = [stream.id]
    ancestor: str | None = named
    while ancestor is not None and ancestor in known and ancestor not in trail:
        trail.append(ancestor)
        its = known[ancestor][0].for_each
        ancestor = its.rows.stream if its is not None and its.rows is not None else None
    if ancestor == stream.id:
        circle = " < ".join((*trail, ancestor))
        return f"a stream cannot be its own parent: {circle}", "take the members from another stream, or write a list"
    choice = parent.columns.get(".".join(path)) or parent.columns.get("__".join(path)) or parent.columns.get(path[0])
    if choice is not None and choice.drop:
        return f"{parent.name} drops the column {path[0]}", f"remove `{path[0]}: drop` from its `columns`"
    return None


def _check_write(stream: Stream, part: StreamPart, texts: Texts) -> None:
    if not stream.key and part.write is None:
        texts.problem(
            (),
            "needs a `key`: the field that identifies an item",
            hint="or, for items without one, `write: append` or `write: replace`",
            at_key=True,
        )
    elif not stream.key and stream.write is Write.UPSERT:
        texts.problem(("write",), "`merge` needs a `key`", at_key=True)


def _check_names(stream: Stream, texts: Texts) -> None:
    members = stream.for_each.names if stream.for_each is not None else ()
    known = (*PAGE_NAMES, *WINDOW_NAMES, *members)
    for path, placeholder in _placeholders(stream):
        if placeholder.root not in known:
            message = f"there is no placeholder {{{placeholder.name}}}"
            hint = near(placeholder.root, known) or "{{ and }} are literal braces"
            texts.problem(path, message, hint=hint)
        elif "." in placeholder.name and placeholder.root not in members:
            texts.problem(path, f"{{{placeholder.root}}} has no parts")


def _check_paging(stream: Stream, texts: Texts) -> None:
    first = _first_places(stream)
    for name, (kind, key) in _MOVED_BY.items():
        if name == "cursor" and stream.pages.merges:
            if name in first:
                texts.problem(first[name], "{cursor} has no value: `merge` puts the members into the request itself")
            continue
        if name in first and stream.pages.kind is not kind:
            texts.problem(first[name], f"{{{name}}} needs `pages: {{{key}: ...}}`")
        elif name not in first and stream.pages.kind is kind:
            message = f"the request never sends {{{name}}}, so every page would be the first"
            texts.problem(("pages", key), message, hint=f'add a parameter with "{{{name}}}"', at_key=True)
    if "size" in first and stream.pages.size is None:
        texts.problem(first["size"], "{size} needs `pages: {size: ...}`")


def _check_window(stream: Stream, part: StreamPart, texts: Texts) -> None:
    first = _first_places(stream)
    _check_condition(stream, texts)
    if part.incremental is None:
        for name in WINDOW_NAMES:
            if name in first and not (name == "start" and _asked_by_etag(stream)):
                texts.problem(first[name], f"{{{name}}} needs `incremental`")
        if stream.pages.first_is_start:
            texts.problem(("pages", "first"), "{start} needs `incremental`")
        return
    if stream.feed is not None:
        _check_feed(stream, first, texts)
        return
    if part.incremental.step is not None and "end" not in first:
        message = "windows need an end: no parameter of the request holds {end}"
        texts.problem(
            ("incremental", "step"), message, hint="leave `step` out, or add the API's upper bound", at_key=True
        )
    if "end" in first and "start" not in first:
        texts.problem(first["end"], "{end} without {start}: a window would begin at the start of the list every time")


def _check_feed(stream: Stream, first: Mapping[str, Path], texts: Texts) -> None:
    if not stream.asks_for_start:
        message = "the request never sends it, so every run would read the whole list"
        hint = 'add a parameter with "{start}", or pages: {first: "{start}"} where it is sent as the first cursor'
        texts.problem(("incremental", "token"), message, hint=hint, at_key=True)
    if "end" in first:
        texts.problem(first["end"], "{end} needs `incremental: {field: ...}`; a token has no upper bound")


def _asked_by_etag(stream: Stream) -> Path:
    """Where `If-None-Match` holds `{start}`; empty where it does not."""
    found = (name for name, t in stream.request.headers if name.lower() == "if-none-match" and "start" in t.names)
    return next((("headers", name) for name in found), ())


def _check_condition(stream: Stream, texts: Texts) -> None:
    """An ETag is the name of one response, and comes from the response before."""
    where = _asked_by_etag(stream)
    if where and stream.feed is None:
        hint = 'write incremental: {token: "header:ETag"}'
        texts.problem(where, "{start} needs the ETag of the reading before", hint=hint)
    elif where and stream.pages.kind not in (PagesKind.NONE, PagesKind.UNDECLARED):
        hint = "leave the header out; what changed is found by `incremental: {field: ...}` or a token of the whole list"
        texts.problem(where, "asks about the first page only, and the list has several", hint=hint)


def _check_added(stream: Stream, texts: Texts) -> None:
    members = stream.for_each.names if stream.for_each is not None else ()
    known = (*members, *(("outer",) if stream.records.kind == "nested" else ()))
    for name, template in stream.add:
        for placeholder in template.placeholders:
            if placeholder.root not in known:
                hint = near(placeholder.root, known) if known else "`add` takes plain values"
                if "outer" in known and not members:
                    hint = "{outer.x} is a field of the object around the item"
                texts.problem(("add", name), f"there is no placeholder {{{placeholder.name}}} here", hint=hint)


def _check_table(stream: Stream, part: StreamPart, texts: Texts) -> None:
    path: Path = ("table",) if part.table else ()
    view = LIVE if stream.deletes.marked else ""
    if len((stream.table + view).encode()) > LONGEST_NAME:
        hint = "" if part.table else "give it a shorter `table`"
        texts.problem(
            path, f"the table's name {stream.table} is longer than {LONGEST_NAME} bytes", hint=hint, at_key=True
        )
    if _OWN_NAMES.fullmatch(stream.table):
        texts.problem(path, f"the name {stream.table} is taken by the program itself", at_key=True)
    for column in [name for name, _ in stream.add] + list(stream.columns):
        if len(column.encode()) > LONGEST_NAME or column.startswith("_etl_") or not column:
            where = "columns" if column in stream.columns else "add"
            texts.problem((where, column), f"no possible name of a column; at most {LONGEST_NAME} bytes, not _etl_*")


def _first_places(stream: Stream) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for path, placeholder in _placeholders(stream):
        found.setdefault(placeholder.root, path)
    return found


def _placeholders(stream: Stream) -> Iterator[tuple[Path, Placeholder]]:
    for path, template in _templates(stream):
        yield from ((path, placeholder) for placeholder in template.placeholders)


def _templates(stream: Stream) -> Iterator[tuple[Path, Template]]:
    request = stream.request
    yield ("path",), request.path
    for part, pairs in (("params", request.params), ("headers", request.headers), ("form", request.form)):
        yield from (((part, name), template) for name, template in pairs)
    yield from _in_body(request.json, ("json",))


def _in_body(body: Body, path: Path) -> Iterator[tuple[Path, Template]]:
    if isinstance(body, Template):
        yield path, body
    elif isinstance(body, Mapping):
        for name, member in body.items():
            yield from _in_body(member, (*path, name))
    elif isinstance(body, tuple):
        for index, element in enumerate(body):
            yield from _in_body(element, (*path, index))
