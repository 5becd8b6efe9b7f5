"""One request and its answer, as the bundled API sees them, before any fault touches the answer."""

from __future__ import annotations

import gzip
import http
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

from etl.testing.dataset import encode

Headers = tuple[tuple[str, str], ...]
_WORTH_PACKING = 512


class Call:
    """A request. `headers` have names in lower case; of a repeated query parameter the last one counts."""

    def __init__(self, *, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        split = urlsplit(target)
        self.path = split.path
        self.query: Mapping[str, str] = dict(parse_qsl(split.query, keep_blank_values=True))

    def __repr__(self) -> str:
        return f"Call({self.method} {self.target})"

    @property
    def base(self) -> str:
        """Scheme and host as the client wrote them, so that links lead back through a proxy."""
        return f"http://{self.headers.get('host', 'localhost')}"

    @cached_property
    def json(self) -> Mapping[str, object]:
        """The JSON object in the body; empty when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def accepts_gzip(self) -> bool:
        """Whether the client said it can unpack gzip."""
        return "gzip" in self.headers.get("accept-encoding", "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. Length, date and connection headers are added when it is put on the wire."""

    status: int = 200
    body: bytes = b""
    headers: Headers = (("Content-Type", "application/json"),)

    def packed(self) -> Answer:
        """The same answer in gzip; itself when that is not worth it."""
        if len(self.body) < _WORTH_PACKING:
            return self
        body = gzip.compress(self.body, compresslevel=1, mtime=0)
        return replace(
            self, body=body, headers=(*self.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        )

    def head(self, *, length: int | None = -1, close: bool = False) -> bytes:
        """Status line and headers, without the empty line. `length` -1 is the body's, None leaves it out."""
        lines = [f"HTTP/1.1 {self.status} {reason_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length is not None:
            lines.append(f"Content-Length: {len(self.body) if length < 0 else length}")
        if close:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("latin-1")


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A line of the server's log. `status` is 0 while the answer is out, and for one that never had a status."""

    call: Call
    status: int = 0
    fault: str = ""
    """The name of the fault that shaped the answer, empty for an honest one."""

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.call.path

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.call.query


class Refusal(Exception):
    """Ends the handling of a request with an error answer."""

    def __init__(self, *, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def ok(body: object, *headers: tuple[str, str]) -> Answer:
    """200 with a JSON body."""
    return Answer(body=encode(body), headers=(("Content-Type", "application/json"), *headers))


def error(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """An error as this API words it: `{"error": {"status": 404, "message": "..."}}`."""
    body = encode({"error": {"status": status, "message": message}})
    return Answer(status=status, body=body, headers=(("Content-Type", "application/json"), *headers))


def reason_phrase(status: int) -> str:
    """The words after the code in the status line."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
