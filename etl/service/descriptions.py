"""An OpenAPI file on the disk, and the request that it completes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from etl.probe.curl import CurlLine
from etl.probe.openapi import base_of, listing_at, listings, readable, url_of

_SHOWN: Final = 12


def described(file: Path, line: CurlLine) -> tuple[CurlLine, tuple[str, ...]]:
    """The request with its URL completed from a description, and the parameters that the description lists.

    Raises ValueError, in words, for an unreadable file, and where it lists several things and none was named.
    """
    document = _read(file)
    if "://" in line.url:
        listing = listing_at(document, line.url)
        return line, () if listing is None else listing.params
    if not base_of(document):
        raise ValueError(f"{file} names no server; give the whole URL of a list beside it")
    if line.url:
        return _at(document, file, line)
    found = listings(document)
    if len(found) == 1:
        return replace(line, url=url_of(document, found[0].path)), found[0].params
    if found:
        raise ValueError(f"{file} describes several lists; name one: {_some(one.path for one in found)}")
    raise ValueError(f"{file} does not say which answer is a list; name a path of it: {_some(readable(document))}")


def _at(document: Mapping[str, Any], file: Path, line: CurlLine) -> tuple[CurlLine, tuple[str, ...]]:
    """The operation that was named: a person may know of a list what the description does not say."""
    if "{" in line.url:
        raise ValueError(f"{line.url} needs values in the place of its {{placeholders}}")
    url = url_of(document, line.url)
    listing = listing_at(document, url)
    if listing is None:
        raise ValueError(f"{file} has nothing to read at {line.url}; there is {_some(readable(document))}")
    return replace(line, url=url), listing.params


def _some(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - _SHOWN:,} more" if len(first) > _SHOWN else ""
    return (", ".join(first[:_SHOWN]) or "nothing") + more


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=loader)  # noqa: S506
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError):
        raise ValueError(f"{file} is neither JSON nor YAML") from None
    if isinstance(document, Mapping) and isinstance(document.get("paths"), Mapping):
        return document
    raise ValueError(f"{file} is no OpenAPI description: it has no `paths`")
