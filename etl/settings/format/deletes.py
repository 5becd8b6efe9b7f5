"""What happens to rows that the API no longer has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from etl.settings.format.part import Part, shape
from etl.settings.format.values import ASelector
from etl.settings.format.values import Field as ItemField


class DeletesPart(Part):
    """Deletions that the items themselves tell."""

    field: ItemField | None = Field(None, description="A field that is true, or set, on a deleted item.")
    when: ASelector | None = Field(None, description="A JMESPath that is true for a deleted item.")


Deletes = Annotated[
    Annotated[Literal["ignore", "infer"], Tag("text")] | Annotated[DeletesPart, Tag("map")],
    Discriminator(
        shape,
        custom_error_type="shape",
        custom_error_message="should be `ignore`, `infer`, or a map with field or when",
    ),
]
