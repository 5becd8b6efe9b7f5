"""What the list is sorted by, as far as its owner promises it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from etl.settings.format.part import Part, shape
from etl.settings.format.values import Field as ItemField

OneOrMore = Annotated[
    Annotated[ItemField, Tag("text")] | Annotated[list[ItemField], Field(min_length=1), Tag("list")],
    Discriminator(
        shape, custom_error_type="shape", custom_error_message="should be a field of an item, or a list of fields"
    ),
]


class OrderPart(Part):
    """Promises about the order of the list. They make `verified` possible; a broken one is noticed where it can be."""

    by: OneOrMore | None = Field(None, description="The field, or fields, the list is sorted by.")
    direction: Literal["asc", "desc"] | None = Field(None, description="Default `asc`.")
    immutable: bool | None = Field(None, description="A row's value of `by` never changes.")
    unique: bool | None = Field(None, description="No two rows share the value of `by`.")
    append_only: bool | None = Field(None, description="New rows come only at the end; rows may be removed anywhere.")
    collation: Literal["binary"] | None = Field(
        None, description="Text is sorted byte by byte; without it texts are compared for equality only."
    )
