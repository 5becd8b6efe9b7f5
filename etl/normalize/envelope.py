"""What a page says beside its items: cursors, links, totals, flags, failures.

A plain dotted path is read where it stands; `PATH[-1].field` is read off the last item; only other expressions cost a
second, generic decode of the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from etl.errors import ExpectationBroken, MalformedPage, RateLimited
from etl.model.page import Response
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Stream
from etl.normalize.fields import Path, literal_at, members
from etl.normalize.literals import is_object

_LAST: Final = re.compile(r"(.*)\[-1\]\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII)
_THROTTLED: Final = re.compile(r"rate_?limit(?:ed)?\b|throttled", re.IGNORECASE)
_FALSE_TEXTS: Final = frozenset({"", "false", "0", "no", "off"})
NAMES: Final = ("fail_if", "next", "total_rows", "total_pages", "more", "token")
Values = dict[str, object]


class Document:
    """A body, decoded generically when an expression needs it, and then once."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def tree(self) -> object:
        """Raises MalformedPage when it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._tolerant()
        except RecursionError:
            raise too_deep() from None

    def _tolerant(self) -> object:
        """As the standard library reads it: lone surrogates and numbers beyond a double must not hide the envelope."""
        try:
            return json.loads(self.body, parse_constant=_no_constant, parse_int=_whole)
        except RecursionError:
            raise too_deep() from None
        except ValueError as problem:
            raise not_json(problem) from None


class Selections:
    """The selectors of a stream, sorted by how they are read."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        pages = stream.pages
        chosen: dict[str, Selector | None] = {
            "fail_if": stream.fail_if,
            "next": pages.next,
            "total_rows": pages.total_rows,
            "total_pages": pages.total_pages,
            "more": pages.more,
            "token": None if stream.feed is None else stream.feed.token,
        }
        self._outside = {n: s for n, s in chosen.items() if s is not None and s.kind is not SelectorKind.BODY}
        inside = {name: s for name, s in chosen.items() if s is not None and s.kind is SelectorKind.BODY}
        self.last: dict[str, Path] = {n: path for n, s in inside.items() if (path := self._of_last_item(s)) is not None}
        self.plain: dict[str, Path] = {
            name: path for name, s in inside.items() if (path := s.plain) and name not in self.last
        }
        self.expressions: dict[str, Any] = {
            name: jmespath.compile(s.path or "@")
            for name, s in inside.items()
            if name not in self.last and name not in self.plain
        }

    def rest(self, response: Response, document: Document) -> Values:
        """Everything that is neither plain nor in the last item."""
        values: Values = {name: _outside(response, s.kind).get(s.path) for name, s in self._outside.items()}
        for name, expression in self.expressions.items():
            values[name] = evaluate(expression, document)
        return values

    @staticmethod
    def read_plain(paths: Mapping[str, Path], document: Document) -> Values:
        """Plain paths, read from a body whose shape is not the compiled one."""
        if not paths or not is_object(document.body):
            return {}
        top = members(document.body)
        return {name: _loads(literal_at(path, top)) for name, path in paths.items()}

    def read_last(self, item: bytes | None) -> Values:
        """The fields of the last item; None where it has none or is no object."""
        top = members(item) if item is not None and is_object(item) else {}
        return {name: _loads(literal_at(path, top)) for name, path in self.last.items()}

    def check(self, values: Mapping[str, object], response: Response) -> None:
        """Raises what `fail_if` asks for: RateLimited where it names a throttle, else ExpectationBroken."""
        found = values.get("fail_if")
        if not truthy(found):
            return
        text = msgspec.json.encode(found).decode()[:200]
        if _THROTTLED.search(msgspec.json.encode(found).decode()):
            raise RateLimited(f"{response.url} answered that it is throttled", why=text, reason="throttled")
        raise ExpectationBroken(
            f"{self._stream.id}: the answer of {response.url} is a failure",
            why=f"fail_if: {self._stream.fail_if.path if self._stream.fail_if else ''} is {text}",
        )

    def facts(self, values: Mapping[str, object], response: Response) -> dict[str, Any]:
        """The members of PageFacts that the envelope tells."""
        pages = self._stream.pages
        following = values.get("next")
        if following in ("", [], {}) or following is False:
            following = None
        is_link = pages.kind is PagesKind.LINK
        if following is None and pages.kind in (PagesKind.LINK, PagesKind.UNDECLARED):
            following, is_link = response.links.get("next") if pages.next is None else None, True
        return {
            "next_cursor": None if is_link else following,
            "next_link": str(following) if is_link and following is not None else None,
            "total_rows": _count(values.get("total_rows")),
            "total_pages": _count(values.get("total_pages")),
            "token": _token(values.get("token")),
            "more": None if pages.more is None else truthy(values.get("more")) is not pages.more_means_end,
        }

    def _of_last_item(self, selector: Selector) -> Path | None:
        records = self._stream.records
        match = _LAST.fullmatch(selector.path)
        if match is None or records.kind != "objects" or records.path.plain is None:
            return None
        return tuple(match[2].split(".")) if match[1].strip("@") == records.path.path.strip("@") else None


def _outside(response: Response, kind: SelectorKind) -> Mapping[str, str]:
    return {SelectorKind.HEADER: response.headers, SelectorKind.HEAD: response.head}.get(kind, response.links)


def evaluate(expression: Any, document: Document) -> object:
    """The value of a compiled JMESPath; raises MalformedPage where the body does not have what its functions need."""
    try:
        return expression.search(document.tree)
    except JMESPathError as problem:
        raise MalformedPage(
            f"{expression.expression} cannot be read in the answer", why=str(problem)[:200], reason="expression"
        ) from None


def truthy(value: object) -> bool:
    """As people mean it: empty, zero, null, and the words for no are false."""
    if isinstance(value, str):
        return value.strip().lower() not in _FALSE_TEXTS
    return bool(value)


def not_json(problem: Exception) -> MalformedPage:
    """The answer is not JSON, or was cut."""
    return MalformedPage("the answer is not JSON", why=str(problem)[:200], reason="not-json")


def too_deep() -> MalformedPage:
    """The answer is nested beyond what is read."""
    return MalformedPage("the answer is nested deeper than 64 levels", reason="too-deep")


def _token(value: object) -> str | None:
    """A token as text: it is never looked into, and an empty one is none."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


def _count(value: object) -> int | None:
    """A total: a whole number, or text of one; anything else tells nothing."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and not re.fullmatch(r"\s*\d{1,18}\s*", value, re.ASCII):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    count = int(value) if isinstance(value, (int, float, str)) else -1
    return count if 0 <= count < 2**63 else None


def _loads(raw: bytes | None) -> object:
    return None if raw is None else Document(raw).tree


def _no_constant(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is not JSON")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 1_000 else float(digits[:400])
