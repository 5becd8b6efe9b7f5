"""What was typed after `etl init`, read: names, the request without credentials, and the credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etl.errors import UsageError
from etl.probe.address import Address, from_the_start, slug, source_name, stream_name, taken_apart
from etl.probe.curl import CurlLine, read_curl
from etl.probe.given import Given, Sorter
from etl.probe.names import is_cursor
from etl.probe.question import Question
from etl.service.descriptions import described
from etl.service.init import REQUESTS, Wish
from etl.settings.environment import Environment

_NAME: Final = re.compile(r"[a-z0-9_]{1,48}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options as typed."""

    url: str = ""
    curl: str | None = None
    openapi: Path | None = None
    name: str | None = None
    stream: str | None = None
    bearer: str | None = None
    basic: str | None = None
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    requests: int = REQUESTS


def read_wish(options: Options, config: Path, environ: Mapping[str, str]) -> Wish:
    """Raises UsageError for what cannot be read, ConfigError for an unreadable `.env`."""
    environment = Environment.beside(config, environ)
    try:
        line = read_curl(options.curl) if options.curl is not None else CurlLine(url=options.url)
        line, told = described(options.openapi, line) if options.openapi is not None else (line, ())
        address = taken_apart(line.url)
        source = _checked(options.name, "--name") or source_name(address.base_url)
        stream = _checked(options.stream, "--stream") or stream_name(address.path or address.base_url) or "items"
        given = Given(
            bearer=options.bearer or line.bearer,
            basic=_pair(options.basic) or line.user or ((address.user, address.password) if address.user else None),
            headers=(*line.headers, *(_header(text) for text in options.headers)),
            query=tuple(_param(text) for text in options.query),
            lookup=environment.lookup,
        )
        credentials, params = Sorter(source, given).credentials(address.params)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Wish(
        source=source, stream=stream, question=_question(address, line, params), credentials=credentials,
        requests=options.requests, told=told,
    )  # fmt: skip


def _question(address: Address, line: CurlLine, params: Sequence[tuple[str, str]]) -> Question:
    """The request of the first page; parameters stand in the query, in the JSON body, or in a query's variables."""
    carrier: tuple[str, ...] | None = None
    if line.body is not None:
        carrier = ("variables",) if isinstance(line.body.get("query"), str) else ()
    question = Question(
        method=line.method, base_url=address.base_url, path=address.path, params=from_the_start(params),
        body=line.body, carrier=carrier,
    )  # fmt: skip
    return question if carrier is None else question.asking({name: None for name in question.given if is_cursor(name)})


def _checked(name: str | None, option: str) -> str:
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"{option} {name!r} is no possible name; a-z, 0-9 and _, as in {slug(name) or 'shop'}")
    return name or ""


def _pair(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise ValueError("--basic wants USER:PASSWORD")
    return user, password


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"--header wants 'Name: value'; {name[:40]!r} has no colon")
    return name.strip(), value.strip()


def _param(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--query wants NAME=VALUE; {name[:40]!r} has no equals sign")
    return name, value
