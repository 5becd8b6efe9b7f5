"""A `curl` line as browsers and documentation give it, taken apart into a request."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

_NOISE: Final = (
    "user-agent", "accept-encoding", "accept-language", "connection", "referer", "origin", "content-length", "host",
    "cache-control", "pragma", "dnt", "priority", "te", "upgrade-insecure-requests", "content-type", "if-none-match",
    "if-modified-since", "x-requested-with",
)  # fmt: skip
_WITH_VALUE: Final = {
    "-H": "header", "--header": "header", "-X": "method", "--request": "method", "-u": "user", "--user": "user",
    "-d": "data", "--data": "data", "--data-raw": "data", "--data-binary": "data", "--data-ascii": "data",
    "--json": "json", "--url": "url", "-b": "cookie", "--cookie": "cookie", "--data-urlencode": "encoded",
    "--oauth2-bearer": "bearer", "--url-query": "encoded-query",
}  # fmt: skip
_SKIPPED_WITH_VALUE: Final = frozenset({
    "-o", "--output", "-A", "--user-agent", "-e", "--referer", "-m", "--max-time", "--connect-timeout", "--retry", "-w",
    "--write-out", "-c", "--cookie-jar", "--cacert", "-E", "--cert", "--key", "-x", "--proxy", "--resolve",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CurlLine:
    """The request of a curl line. `body` is its JSON, None for a request without one."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    user: tuple[str, str] | None = field(default=None, repr=False)
    bearer: str = field(default="", repr=False)
    body: Any = field(default=None, repr=False)


def read_curl(text: str) -> CurlLine:
    """Raises ValueError, in words, for what is no curl line, and for a body that is no JSON object."""
    try:
        words = shlex.split(text.replace("\\\n", " ").replace("^\n", " "))
    except ValueError as error:
        raise ValueError(f"the curl line cannot be read: {str(error).lower()}") from None
    if not words or not words[0].endswith("curl"):
        raise ValueError("a curl line begins with `curl`")
    line = _Line()
    for kind, value in _options(words[1:]):
        line.take(kind, value)
    return line.finished()


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value, in order; a word alone is the URL."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in _WITH_VALUE:
            yield _WITH_VALUE[word], next(rest, "")
        elif word.startswith("--") and equals and name in _WITH_VALUE:
            yield _WITH_VALUE[name], value
        elif word[:2] in _WITH_VALUE and len(word) > 2 and word[1] != "-":  # -XPOST
            yield _WITH_VALUE[word[:2]], word[2:]
        elif word in _SKIPPED_WITH_VALUE:
            next(rest, "")
        elif word in ("-G", "--get"):
            yield "get", ""
        elif not word.startswith("-"):
            yield "url", word


class _Line:
    """What the options said so far."""

    def __init__(self) -> None:
        self._url = self._method = self._bearer = ""
        self._headers: list[tuple[str, str]] = []
        self._user: tuple[str, str] | None = None
        self._data: list[str] = []
        self._query: list[str] = []
        self._get = False

    def take(self, kind: str, value: str) -> None:
        name, _, rest = value.partition(":")
        match kind:
            case "url":
                self._url = self._url or value
            case "method":
                self._method = value.upper()
            case "header" if name.strip().lower() not in _NOISE and not name.strip().lower().startswith(("sec-", ":")):
                self._headers.append((name.strip(), rest.strip()))
            case "cookie":
                self._headers.append(("Cookie", value))
            case "user":
                self._user = (name, rest)
            case "bearer":
                self._bearer = value
            case "data" | "json":
                self._data.append(value)
            case "encoded" | "encoded-query":
                label, equals, content = value.partition("=")
                pair = f"{label}={quote(content, safe='')}" if equals else quote(value, safe="")
                (self._query if kind == "encoded-query" else self._data).append(pair)
            case "get":
                self._get = True
            case _:
                pass

    def finished(self) -> CurlLine:
        """Raises ValueError for a line without a URL, and for a body that is no JSON object."""
        if not self._url:
            raise ValueError("the curl line names no URL")
        url, query, body = self._url, list(self._query), None
        if "://" not in url:
            url = f"http://{url}"
        if self._get:
            query += self._data
        elif self._data:
            body = _json("&".join(self._data))
        if query:
            url += ("&" if "?" in url else "?") + "&".join(query)
        method = self._method or ("GET" if body is None else "POST")
        return CurlLine(
            url=url, method=method, headers=tuple(self._headers), user=self._user, bearer=self._bearer, body=body
        )


def _json(text: str) -> Any:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    raise ValueError("the body of the curl line is no JSON object; write such a request into a file by hand")
