"""What all parts of the format share: unknown keys are errors, and values are never quietly converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Part(BaseModel):
    """A map of the format."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,  # the input may be a secret
        allow_inf_nan=False,
        validate_by_name=False,
        validate_by_alias=True,
    )


Scalar = str | int | float | bool
"""A value as it stands in a query or a header; sent as written."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,48}$")]
"""A source or a stream: part of a table's name."""

Text = Annotated[str, StringConstraints(min_length=1)]


def shape(value: object) -> str:
    """Which branch of a union a value belongs to, so that only the errors of that branch are told."""
    if isinstance(value, (Mapping, BaseModel)):
        return "map"
    if isinstance(value, list):
        return "list"
    return "text" if isinstance(value, str) else "number"
