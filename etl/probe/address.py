"""A URL as a person has it, taken apart into what stands where in the configuration, and names made from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from etl.probe.names import is_cursor, is_offset, is_page
from etl.probe.question import query_of

_NOISE: Final = frozenset({"api", "www", "rest", "public", "gateway", "data", "v1", "v2", "v3", "v4"})
_SUFFIX: Final = re.compile(r"\.(json|jsonl|xml|csv|php|aspx?)$")
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`base_url` and `path` joined are the URL without its query; `user` and `password` stood before its host."""

    base_url: str
    path: str
    params: tuple[tuple[str, str], ...]
    user: str = ""
    password: str = ""


def taken_apart(url: str) -> Address:
    """Raises ValueError, in words, for what is no absolute URL."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(sign <= " " or sign == "\x7f" for sign in text):
        raise ValueError(f"{url[:200]!r} is no URL; it has to begin with https:// or http://")
    folder, slash, name = parts.path.rstrip("/").rpartition("/")
    tail = parts.path[len(parts.path.rstrip("/")) :] if name else ""
    path = f"{slash}{name}{tail}" if name else ""
    host = parts.netloc.rpartition("@")[2]
    return Address(
        base_url=f"{parts.scheme}://{host}{folder}".replace("$", "%24"),
        path=path.replace("$", "%24"),
        params=query_of(text),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def from_the_start(params: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters of a list's first page: what leads into its middle is set back, or left out."""
    kept: list[tuple[str, str]] = []
    for name, value in params:
        if is_cursor(name):
            continue
        first = value
        if is_page(name) and value.isdecimal() and value != "0":
            first = "1"
        elif is_offset(name) and value.isdecimal():
            first = "0"
        kept.append((name, first))
    return tuple(kept)


def source_name(base_url: str) -> str:
    """A name for the source from its host: `github` for `api.github.com`."""
    host = urlsplit(base_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        labels = [label for label in host.split(".")[: max(1, host.count("."))] if label not in _NOISE]
        return slug(labels[-1] if labels else host) or "api"
    return "local" if ip_address(host).is_loopback else "api"


def stream_name(path: str) -> str:
    """A name for the stream from the last word of the path: `items` for `/v1/items.json`."""
    words = [unquote(word) for word in path.split("/") if word]
    return slug(_SUFFIX.sub("", words[-1].lower().replace("~20", " "))) if words else "items"


def slug(text: str) -> str:
    """Lower case letters, digits and single underscores."""
    return _NOT_A_NAME.sub("_", text.lower()).strip("_")[:_LONGEST].strip("_")
