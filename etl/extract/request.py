"""From the request a strategy named to an HTTP request without credentials: placeholders filled, values encoded.

What does not move is encoded once. `{start}` has two faces: a parameter that holds nothing else is left out while
there is no start, since only then rows without a cursor value arrive; inside other text it must have a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from etl.errors import DataRefused
from etl.extract.origins import Origins
from etl.model.instants import Cursor, CursorKind, to_micros
from etl.model.page import PageRequest
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.model.stream import Incremental, Stream
from etl.model.template import OMITTED, Body, Template, body_names, render_body
from etl.ports import Clock

_KEPT_IN_NAMES: Final = "[]$:,"
_KEPT_IN_URLS: Final = ":/?#[]@!$&'()*+,;=%~"
_EPOCH: Final = 0

Values = Mapping[str, object]
Pairs = tuple[tuple[str, Template], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request without credentials. `headers` are those of the source and the stream, for its own origin only."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None = None
    is_conditional: bool = False
    """It holds a token, and 304 is an answer to it."""


class RequestBuilder:
    """Renders the requests of one stream. A window without a start leaves out parameters that hold only `{start}`."""

    def __init__(self, source: Source, stream: Stream, origins: Origins, clock: Clock) -> None:
        self._base_url = source.base_url
        self._stream = stream
        self._origins = origins
        self._clock = clock
        self._bounded = _Content(stream)
        self._unbounded = _Content(stream, without_start=True)
        path = stream.request.path
        self._fixed_path = None if path.placeholders else "".join(map(str, path.parts))
        own = {name.lower() for name, _ in stream.request.headers}
        self._source_headers = tuple(pair for pair in source.headers if pair[0].lower() not in own)

    def build(self, request: PageRequest) -> Outgoing:
        """Raises ForeignHost for a link that leaves the source, DataRefused for a value no request can carry."""
        try:
            return self._built(request)
        except UnicodeEncodeError:
            raise DataRefused(
                f"{self._stream.id}: a value of the request holds half a character",
                why="no URL and no body can carry it",
            ) from None

    def _built(self, request: PageRequest) -> Outgoing:
        values = self._values(request)
        content = self._unbounded if request.window.start is None else self._bounded
        url = self._path_url(values)
        merged = self._merged(request.cursor) if self._stream.pages.merges and request.cursor is not None else {}
        if request.link is not None:
            # Verbatim: opaque links refuse the parameters of the first page beside their own.
            url = self._origins.resolve(request.link, url)
        else:
            query = content.query(values, merged)
            url = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
        return Outgoing(
            method=self._stream.request.method,
            url=url,
            headers=(*self._source_headers, *content.headers(values)),
            content=content.body(values, merged),
            is_conditional=request.window.start is not None and bool(self._stream.conditional_headers),
        )

    def _merged(self, cursor: object) -> Values:
        if not isinstance(cursor, Mapping):
            raise DataRefused(
                f"{self._stream.id}: what `pages.merge` selects is no object",
                why=f"it is {str(cursor)[:80]}",
                hint="for a single value write pages: {cursor: ...}, and {cursor} in the request",
            )
        return cursor

    def _path_url(self, values: Values) -> str:
        template = self._stream.request.path
        if self._fixed_path is not None:
            path: str | None = self._fixed_path
        elif template.is_single:
            return self._data_url(template.render(values))
        else:
            path = template.render_path(values)
            self._refuse_escape(path)
        if path is None:
            raise DataRefused(f"{self._stream.id}: the path has a placeholder without a value")
        if "://" in path.partition("?")[0]:
            return self._origins.resolve(path, self._base_url)
        return f"{self._base_url}/{path.lstrip('/')}" if path else self._base_url

    def _data_url(self, value: object) -> str:
        """A path that is only a placeholder is a URL from the data, absolute or relative to `base_url`."""
        if value is None:
            raise DataRefused(f"{self._stream.id}: the path has a placeholder without a value")
        url = quote(_text(value), safe=_KEPT_IN_URLS)
        return self._origins.resolve(url, f"{self._base_url}/").partition("#")[0]

    def _refuse_escape(self, path: str | None) -> None:
        """A value such as `..` would climb out of the path that the configuration names."""
        if path and not {".", ".."}.isdisjoint(path.partition("?")[0].split("/")):
            raise DataRefused(f"{self._stream.id}: a value in the path is `.` or `..`", why="it would lead elsewhere")

    def _values(self, request: PageRequest) -> Values:
        window, incremental = request.window, self._stream.incremental
        values: dict[str, object] = dict(window.variables)
        values["page"] = request.page
        values["offset"] = request.offset
        values["size"] = request.size or self._stream.pages.size
        values["cursor"] = request.cursor
        if self._stream.feed is not None:
            values["start"] = window.start
        if incremental is not None:
            values["start"] = _start(incremental, window.start)
            values["end"] = self._end(incremental, window.end)
        return values

    def _end(self, incremental: Incremental, end: Cursor | None) -> object:
        written = incremental.format
        if end is None and written.kind is CursorKind.INSTANT:
            end = to_micros(self._clock.now() - incremental.delay)
        # An inclusive API answers up to the end of the unit it is told: the last one that begins before the bound.
        if isinstance(end, int) and incremental.inclusive:
            end -= 1
        return None if end is None else written.render(end)


class _Content:
    """Query, headers and body of a stream's requests.

    `without_start` leaves out parameters that hold only `{start}`, and where a full reading is compared with the table
    those that hold only `{end}` as well.
    """

    def __init__(self, stream: Stream, *, without_start: bool = False) -> None:
        request = stream.request
        left_out = frozenset(("start", "end") if stream.sweeps else ("start",)) if without_start else frozenset()
        self._stream = stream.id
        self._params = _encoded_names(_kept(request.params, left_out), _KEPT_IN_NAMES)
        self._form = _encoded_names(_kept(request.form, left_out), "") if request.form else None
        self._headers = _kept(request.headers, left_out)
        self._json = _without(request.json, left_out)
        self._has_json = request.json is not None
        self._fixed_body = (
            msgspec.json.encode(render_body(self._json, {})) if self._has_json and not body_names(self._json) else None
        )
        kind = "application/json" if self._has_json else "application/x-www-form-urlencoded" if request.form else ""
        named = any(name.lower() == "content-type" for name, _ in request.headers)
        self._content_type = (("Content-Type", kind),) if kind and not named else ()

    def query(self, values: Values, merged: Values) -> str:
        """Names and values percent-encoded; a blank is %20 and never `+`, which OData servers refuse.

        `merged` are members of the last answer; where there is a body, they go into that.
        """
        in_query = {} if self._has_json or self._form is not None else merged
        return "&".join(_joined(_filled(self._params, values), in_query, _KEPT_IN_NAMES))

    def headers(self, values: Values) -> Iterable[tuple[str, str]]:
        """Raises DataRefused for a value that would forge another header."""
        yield from self._content_type
        for name, template in self._headers:
            value = template.render(values)
            if value is None:
                continue
            text = _text(value)
            if any(sign in text for sign in "\r\n\0"):
                raise DataRefused(
                    f"{self._stream}: a value for the header {name} holds a line break",
                    why="it would forge another header",
                )
            yield name, text

    def body(self, values: Values, merged: Values) -> bytes | None:
        """JSON or a form, None without either."""
        if self._form is not None:
            return "&".join(_joined(_filled(self._form, values), merged, "")).encode()
        if not self._has_json or (self._fixed_body is not None and not merged):
            return self._fixed_body
        rendered = render_body(self._json, values)
        if merged and isinstance(rendered, dict):
            rendered |= merged
        return None if rendered is OMITTED else msgspec.json.encode(rendered)


def secret_params_of(stream: Stream, redactor: Redactor) -> tuple[tuple[str, str], ...]:
    """The query parameters that hold a secret; what an API echoes of them is taken out as credentials are."""
    fixed = ((name, _text(template.render({}))) for name, template in stream.request.params if not template.names)
    return tuple((name, value) for name, value in fixed if redactor(value) != value)


def _start(incremental: Incremental, start: Cursor | None) -> object:
    """Inside other text `{start}` must have a value, so an unbounded window takes the earliest one there is."""
    bound = start if start is not None else incremental.start
    if bound is None:
        bound = "" if incremental.format.kind is CursorKind.TEXT else _EPOCH
    return incremental.format.render(bound)


def _holds_only(template: Template, names: frozenset[str]) -> bool:
    return template.is_single and template.names <= names


def _kept(pairs: Pairs, left_out: frozenset[str]) -> Pairs:
    return tuple(pair for pair in pairs if not _holds_only(pair[1], left_out))


def _without(body: Body, left_out: frozenset[str]) -> Body:
    """The body without the members and elements that hold only one of these placeholders."""
    if isinstance(body, Mapping):
        return {name: _without(member, left_out) for name, member in body.items() if not _omits(member, left_out)}
    if isinstance(body, tuple):
        return tuple(_without(element, left_out) for element in body if not _omits(element, left_out))
    return body


def _omits(body: Body, left_out: frozenset[str]) -> bool:
    return isinstance(body, Template) and _holds_only(body, left_out)


def _encoded_names(pairs: Pairs, kept: str) -> tuple[tuple[str, Template | None], ...]:
    """`name=` with the template of its value, or the whole pair and None where nothing moves."""
    found: list[tuple[str, Template | None]] = []
    for name, template in pairs:
        label = quote(name, safe=kept) + "="
        if template.names:
            found.append((label, template))
        else:
            found.append((label + quote(_text(template.render({})), safe=""), None))
    return tuple(found)


def _filled(pairs: Iterable[tuple[str, Template | None]], values: Values) -> Iterable[str]:
    for label, template in pairs:
        if template is None:
            yield label
            continue
        value = template.render(values)
        if value is not None:
            yield label + quote(_text(value), safe="")


def _joined(pairs: Iterable[str], merged: Values, kept: str) -> Iterable[str]:
    """The pairs, those named by `merged` replaced by its members."""
    if not merged:
        return pairs
    more = {quote(name, safe=kept): quote(_text(value), safe="") for name, value in merged.items() if value is not None}
    own = [pair for pair in pairs if pair.partition("=")[0] not in more]
    return [*own, *(f"{name}={value}" for name, value in more.items())]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else msgspec.json.encode(value).decode()
