"""From the request a strategy named to the bytes of an HTTP request: placeholders filled, values encoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from etl.errors import DataRefused
from etl.extract.origins import Origins
from etl.model.instants import Cursor, CursorKind, to_micros
from etl.model.page import PageRequest
from etl.model.stream import Incremental, Source, Stream
from etl.model.template import Template, render_body
from etl.ports import Clock

_SAFE: Final = "-._~"
"""RFC 3986 unreserved; a blank becomes %20 and never `+`, which OData servers refuse."""
_KEPT_IN_NAMES: Final = "[]$:,"
_EPOCH: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request without credentials. `headers` are those of the source and the stream, for its own origin only."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None = None


class RequestBuilder:
    """Renders the requests of one stream. `full` leaves out parameters that hold nothing but `{start}`."""

    def __init__(self, source: Source, stream: Stream, origins: Origins, clock: Clock, *, full: bool) -> None:
        self._source = source
        self._stream = stream
        self._template = stream.request
        self._origins = origins
        self._clock = clock
        self._full = full
        own = {name.lower() for name, _ in self._template.headers}
        self._source_headers = tuple(pair for pair in source.headers if pair[0].lower() not in own)

    def build(self, request: PageRequest) -> Outgoing:
        """Raises ForeignHost for a link that leaves the source, DataRefused for a value no request can carry."""
        values = self._values(request)
        content, kind = self._content(values)
        headers = [*self._source_headers, *_headers(self._template.headers, values)]
        if kind and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", kind))
        return Outgoing(
            method=self._template.method, url=self._url(request, values), headers=tuple(headers), content=content
        )

    def _url(self, request: PageRequest, values: Mapping[str, object]) -> str:
        if request.link is not None:
            # Verbatim: opaque links refuse the parameters of the first page beside their own.
            return self._origins.resolve(request.link, self._first_url(values))
        return self._first_url(values)

    def _first_url(self, values: Mapping[str, object]) -> str:
        path = self._template.path.render_path(values)
        if path is None:
            raise DataRefused(f"{self._stream.id}: the path has a placeholder without a value")
        if "://" in path.partition("?")[0]:
            url = self._origins.resolve(path, self._source.base_url)
        else:
            url = self._source.base_url + ("/" + path.lstrip("/") if path else "")
        query = "&".join(_params(self._rendered_params(values)))
        return url + (("&" if "?" in url else "?") + query if query else "")

    def _rendered_params(self, values: Mapping[str, object]) -> Iterable[tuple[str, object]]:
        for name, template in self._template.params:
            if not (self._without_start(values) and template.is_single and template.names == {"start"}):
                yield name, template.render(values)

    def _without_start(self, values: Mapping[str, object]) -> bool:
        return self._full or values["_unbounded"] is True

    def _content(self, values: Mapping[str, object]) -> tuple[bytes | None, str]:
        if self._template.form:
            pairs = ((name, template.render(values)) for name, template in self._template.form)
            return "&".join(_params(pairs)).encode(), "application/x-www-form-urlencoded"
        if self._template.json is None:
            return None, ""
        filled = dict(values)
        if self._without_start(values):
            filled["start"] = None
        return msgspec.json.encode(render_body(self._template.json, filled)), "application/json"

    def _values(self, request: PageRequest) -> dict[str, object]:
        window, incremental = request.window, self._stream.incremental
        values: dict[str, object] = dict(window.variables)
        values |= {
            "page": request.page,
            "offset": request.offset,
            "size": request.size or self._stream.pages.size,
            "cursor": request.cursor,
            "_unbounded": window.start is None,
        }
        if incremental is not None:
            values["start"] = self._start(incremental, window.start)
            values["end"] = self._end(incremental, window.end)
        return values

    def _start(self, incremental: Incremental, start: Cursor | None) -> object:
        """Inside other text `{start}` must have a value, so an unbounded window takes the earliest one there is."""
        bound = start if start is not None else incremental.start
        if bound is None:
            bound = "" if incremental.format.kind is CursorKind.TEXT else _EPOCH
        return incremental.format.render(bound)

    def _end(self, incremental: Incremental, end: Cursor | None) -> object:
        if incremental.format.kind is not CursorKind.INSTANT:
            return None if end is None else incremental.format.render(end)
        bound = int(end) if end is not None else self._now(incremental)
        # An inclusive API answers up to the end of the unit it is told: the last one that begins before the bound.
        return incremental.format.render(bound - 1 if incremental.inclusive else bound)

    def _now(self, incremental: Incremental) -> int:
        now: datetime = self._clock.now()
        return to_micros(now - incremental.delay)


def _headers(templates: Iterable[tuple[str, Template]], values: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, template in templates:
        value = template.render(values)
        if value is None:
            continue
        text = _text(value)
        if any(sign in text for sign in "\r\n\0"):
            raise DataRefused(f"a value for the header {name} holds a line break", why="it would forge another header")
        yield name, text


def _params(pairs: Iterable[tuple[str, object]]) -> Iterable[str]:
    for name, value in pairs:
        if value is not None:
            yield f"{quote(name, safe=_SAFE + _KEPT_IN_NAMES)}={quote(_text(value), safe=_SAFE)}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else msgspec.json.encode(value).decode()
