"""The form of single values: for JSON, and for cells."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

_BEYOND_64_BITS: Final = 2**63


def plain(value: object) -> Any:
    """The form of a value in JSON: as it is where JSON knows it, else text."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return _number(value)
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return shown(value)


def _number(value: Decimal) -> int | float | str:
    """As SQLite stores it, so that both databases answer alike: text where a number would lose digits."""
    if value == value.to_integral_value():
        whole = abs(value) < _BEYOND_64_BITS or value == -_BEYOND_64_BITS
        return int(value) if whole else format(value, "f")
    number = float(value)
    return number if Decimal(repr(number)) == value else format(value, "f")


def shown(value: object) -> str:
    """The form of a value in a cell; NULL is empty."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            instant = value.astimezone(UTC) if value.tzinfo is not None else value
            return instant.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case dict() | list() | tuple():
            return json.dumps(plain(value), ensure_ascii=False)
        case timedelta() | UUID():
            return str(value)
    return str(value)
