"""From a source's file to `model.source.Source`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from etl.model.source import Limits, Source
from etl.settings.building.auth import build_auth
from etl.settings.building.desk import Texts
from etl.settings.building.request import PAGE_NAMES, WINDOW_NAMES
from etl.settings.environment import joined
from etl.settings.format.limits import LimitsPart
from etl.settings.format.source import SourcePart


def build_source(name: str, part: SourcePart, limits: LimitsPart, texts: Texts, file: str) -> Source:
    """The source; `limits` are its own on top of the project's."""
    return Source(
        name=name,
        base_url=_base_url(part.base_url, texts),
        auth=build_auth(part.auth, texts),
        headers=_headers(part.headers or {}, texts),
        limits=build_limits(limits),
        allow_hosts=tuple(
            texts.plain(host, ("allow_hosts", index)) for index, host in enumerate(part.allow_hosts or ())
        ),
        trust_env=bool(part.trust_env),
        verify_tls=part.verify_tls is not False,
        file=file,
    )


def build_limits(part: LimitsPart) -> Limits:
    """The limits that are set, the model's defaults for the others."""
    return Limits(**{name: getattr(part, name) for name in part.model_fields_set if getattr(part, name) is not None})


def _base_url(written: str, texts: Texts) -> str:
    pieces = texts.pieces(written, ("base_url",))
    url = joined(pieces).rstrip("/")
    if any("{" in piece.text or "}" in piece.text for piece in pieces if piece.kind == "written"):
        texts.problem(("base_url",), "holds a brace; placeholders are possible in `path`")
    if any(piece.kind == "missing" for piece in pieces):
        return url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _DECENT.issuperset(url):
        texts.problem(("base_url",), "should be an absolute URL that begins with https:// or http://")
    elif "@" in parts.netloc:
        texts.problem(
            ("base_url",), "holds credentials", hint="write them under `auth`, as in basic: ['${USER}', '${PASSWORD}']"
        )
    elif parts.query or parts.fragment:
        texts.problem(("base_url",), "holds a query", hint="write parameters under `params`, or `auth: {query: ...}`")
    return url


_DECENT: Final = frozenset(map(chr, range(0x21, 0x7F)))


def _headers(pairs: Mapping[str, object], texts: Texts) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name, value in pairs.items():
        if value is None:
            continue
        written = texts.written(value, ("headers", name))
        if any(f"{{{placeholder}}}" in written for placeholder in (*PAGE_NAMES, *WINDOW_NAMES)):
            texts.problem(("headers", name), "placeholders are possible in the headers of a stream, not of a source")
        found.append((name, texts.header(written, ("headers", name))))
    return tuple(found)
