"""What the headers of an answer tell about limits, and what a refusal asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_POLICY: Final = re.compile(r"(\d{1,9})\s*;\s*w\s*=\s*(\d{1,7})")
_PREFIXES: Final = ("x-ratelimit-", "ratelimit-", "x-rate-limit-")
_NUMBER: Final = re.compile(r"\d{1,9}")
_CAP_WORDS: Final = re.compile(
    r"(?:<=|max(?:imum)?|most|exceed|between \d+ and|up to|limit(?:ed)? (?:is|to))\D{0,20}(\d{1,6})"
)


def rate_words(headers: Mapping[str, str]) -> str:
    """The quota in words, empty where no header tells one."""
    for prefix in _PREFIXES:
        left = headers.get(f"{prefix}remaining", "")
        if left:
            limit = headers.get(f"{prefix}limit", "")
            return f"{left} left" + (f" of {limit}" if limit else "")
    return headers.get("ratelimit", "")


def declared_rate(headers: Mapping[str, str]) -> str:
    """`limits.rate` where a header tells requests and their window, as in `100;w=60`; empty otherwise."""
    for name in ("ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit"):
        found = _POLICY.search(headers.get(name, ""))
        if found and int(found[1]) and int(found[2]):
            return {1: f"{found[1]}/s", 60: f"{found[1]}/min", 3600: f"{found[1]}/h", 86400: f"{found[1]}/d"}.get(
                int(found[2]), ""
            )
    return ""


def cap_in_words(text: str) -> int | None:
    """The largest page size that a refusal names: `_size must be <= 500`."""
    found = _CAP_WORDS.search(text.lower())
    return int(found[1]) if found and int(found[1]) else None


def wait_s(headers: Mapping[str, str]) -> float:
    """Seconds that a 429 asks to wait; 1 where it does not say."""
    text = headers.get("retry-after", "").strip()
    return float(text) if _NUMBER.fullmatch(text) else 1.0
