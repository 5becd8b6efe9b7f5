"""An OpenAPI file on the disk, and the request that it completes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from etl.probe.curl import CurlLine
from etl.probe.openapi import base_of, listing_at, listings, url_of


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
    found = listings(document)
    chosen = [one for one in found if one.path.strip("/") == line.url.strip("/")] if line.url else list(found)
    if len(chosen) != 1:
        names = ", ".join(one.path for one in found[:12]) or "none"
        raise ValueError(f"name one of the lists that {file} describes: {names}")
    return replace(line, url=url_of(document, chosen[0].path)), chosen[0].params


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
