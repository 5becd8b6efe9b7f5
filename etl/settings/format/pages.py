"""How the next request differs, and what proves the end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from etl.settings.format.part import Part, Scalar, shape
from etl.settings.format.values import ASelector, Total


class PagesPart(Part):
    """Exactly one of `number`, `offset`, `cursor`, `link`, `merge`, and what tells where the list ends."""

    number: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Numbered pages; the number of the first one, 0 or 1. Send it as `{page}`."
    )
    offset: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Rows are skipped; the first offset, mostly 0. Send it as `{offset}`."
    )
    cursor: ASelector | None = Field(
        None, description="Where the next cursor stands (`paging.next.after`, `data[-1].id`). Send it as `{cursor}`."
    )
    link: ASelector | None = Field(
        None,
        description="Where the next page's URL stands: a JMESPath, `header:Name`, or `rel:next` of the Link header.",
    )
    first: Scalar | None = Field(
        None, description="The cursor of the first page, for APIs that want one; `{start}` begins at the watermark."
    )
    size: Annotated[int, Field(ge=1)] | None = Field(None, description="Rows to ask for a page. Send it as `{size}`.")
    total_rows: Total | None = Field(None, description="Where the number of all rows stands: it proves the end.")
    total_pages: Total | None = Field(None, description="Where the number of all pages stands.")
    while_: ASelector | None = Field(
        None, alias="while", description="True as long as there is another page: `has_more`."
    )
    until: ASelector | None = Field(
        None, description="True on the last page: `isLast`. Or `repeat`: the same cursor again is the end."
    )
    inclusive: bool | None = Field(None, description="The cursor's own row comes again as the first of the next page.")
    ordered: bool | None = Field(
        None,
        description="The list is sorted by the `key`, ascending; short for `order: {by: KEY, unique: true, "
        "immutable: true}`.",
    )
    cap: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most rows the API ever lists for one query; a list that reaches it is not complete."
    )
    merge: ASelector | None = Field(None, description="An object of the response whose members go into the next query.")


Pages = Annotated[
    Annotated[Literal["none", "link"], Tag("text")] | Annotated[PagesPart, Tag("map")],
    Discriminator(
        shape,
        custom_error_type="shape",
        custom_error_message="should be `none`, `link`, or a map with one of number, offset, cursor, link",
    ),
]
