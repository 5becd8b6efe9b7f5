"""Options that hold a duration."""

from __future__ import annotations

from datetime import timedelta

from etl.errors import UsageError
from etl.model.instants import parse_duration


def span_option(option: str, text: str) -> timedelta:
    """The duration given for `option`. Raises UsageError that names the option."""
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {error}") from None
