"""Where the items of a page are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from etl.settings.format.part import Part, Text, shape
from etl.settings.format.values import ASelector


class RecordsPart(Part):
    """Items that are no plain list of objects: `columns`, or `rows` with `names`, or `map` with `key`."""

    columns: ASelector | None = Field(None, description="An object of parallel arrays, one a column.")
    rows: ASelector | None = Field(None, description="A list of lists; their names stand at `names`.")
    names: ASelector | None = Field(None, description="The list of names that belongs to `rows`.")
    map: ASelector | None = Field(None, description="An object whose values are the items.")
    key: Text | None = Field(None, description="The field that takes the keys of `map`.")


Records = Annotated[
    Annotated[ASelector, Tag("text")]
    | Annotated[list[ASelector], Field(min_length=2, max_length=2), Tag("list")]
    | Annotated[RecordsPart, Tag("map")],
    Discriminator(
        shape,
        custom_error_type="shape",
        custom_error_message="should be a JMESPath, [outer, inner], or a map with columns, with rows and names, or "
        "with map and key",
    ),
]
