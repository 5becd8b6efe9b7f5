"""What all parts of the format share: unknown keys are errors, and values are never quietly converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, PlainValidator, StringConstraints, WithJsonSchema


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


def read_scalar(value: object) -> object:
    """A single value as it stands in a query or a header; it is sent as written."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping) and len(value) == 1 and None in value.values():
        name = next(iter(value))
        raise ValueError(f'YAML reads {{{name}}} as a map; put it in quotes: "{{{name}}}"')
    raise ValueError("should be a single value")


def read_pair(value: object) -> object:
    """A single value, or a list of them for a parameter that is repeated."""
    return [read_scalar(one) for one in value] if isinstance(value, list) else read_scalar(value)


_SCALAR_TYPES: Final = ["string", "number", "boolean", "null"]
Scalar = Annotated[object, PlainValidator(read_scalar), WithJsonSchema({"type": _SCALAR_TYPES})]
PairValue = Annotated[object, PlainValidator(read_pair), WithJsonSchema({"type": [*_SCALAR_TYPES, "array"]})]

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
