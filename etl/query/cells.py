"""The form of single values: for JSON, and for cells."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID


def plain(value: object) -> Any:
    """The form of a value in JSON: as it is where JSON knows it, else text."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return shown(value)


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
