"""One list of a source. The same keys stand under `defaults`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from etl.settings.format.deletes import Deletes
from etl.settings.format.expect import ExpectPart
from etl.settings.format.hooks import HooksPart
from etl.settings.format.incremental import IncrementalPart
from etl.settings.format.order import OneOrMore, OrderPart
from etl.settings.format.pages import Pages
from etl.settings.format.part import PairValue, Part, Scalar
from etl.settings.format.records import Records
from etl.settings.format.values import ASelector, PositiveDuration, Schedule, Variable

Pairs = dict[str, PairValue]
Column = Literal["bigint", "double", "numeric", "boolean", "text", "timestamp", "date", "json", "drop", "volatile"]


class StreamPart(Part):
    """The request as the API's documentation shows it, and what is in its answer."""

    path: str | None = Field(None, description="Joined to `base_url`; may hold placeholders. Default: nothing.")
    method: Literal["GET", "POST", "PUT"] | None = Field(None, description="Default `GET`.")
    params: Pairs | None = Field(
        None,
        description="Query parameters. Placeholders: `{page}` `{offset}` `{size}` `{cursor}` `{start}` `{end}`. One "
        "whose only placeholder has no value yet is left out; `null` removes an inherited one.",
    )
    headers: dict[str, Scalar] | None = Field(None, description="Headers, on top of the source's.")
    json_: Any = Field(None, alias="json", description="A JSON body; texts in it may hold placeholders.")
    form: Pairs | None = Field(None, description="A form body, instead of `json`.")
    records: Records | None = Field(None, description="Where the items are: a JMESPath. Default: the whole body.")
    pages: Pages | None = Field(None, description="How to get the next page. There is no silent default.")
    max_pages: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Safety stop for one chain of pages. Default 100000; reaching it is never a success."
    )
    key: OneOrMore | None = Field(None, description="The field, or fields, that identify an item.")
    write: Literal["merge", "append", "replace"] | None = Field(
        None, description="How rows land: `merge` (default with a `key`), `append`, `replace`."
    )
    table: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = Field(
        None, description="The table. Default: `<source>_<stream>`."
    )
    columns: dict[str, Column | None] | None = Field(
        None,
        description="Types of columns, where inference is not enough; `drop` leaves one out, `volatile` stores it but "
        "does not count its changes; `null` removes what is inherited.",
    )
    flatten: Annotated[int, Field(ge=0, le=8)] | None = Field(
        None, description="Turn objects into columns `a__b` down to this depth. Default 0: objects are JSON."
    )
    add: dict[str, Scalar] | None = Field(None, description="Columns added to every row.")
    raw: PositiveDuration | None = Field(None, description="Keep raw pages for this long.")
    incremental: IncrementalPart | None = Field(None, description="Ask only for what changed.")
    order: OrderPart | None = Field(None, description="What the list is sorted by.")
    deletes: Deletes | None = Field(None, description="What happens to rows the API no longer has. Default `ignore`.")
    contract: Literal["evolve", "freeze", "ignore"] | None = Field(
        None, description="What to do with new fields: a new column (default), a failure, or nothing."
    )
    for_each: dict[str, Variable] | None = Field(
        None,
        description="One list per member. A variable is a list of values (`repo: [a/b, c/d]`; maps have parts, as in "
        "`{city.lat}`) or a column of another stream (`url: pokemon.url`). Several make a product.",
    )
    fail_if: ASelector | None = Field(
        None, description="A JMESPath that is true when a 200 is still a failure: `errors`."
    )
    expect: ExpectPart | None = Field(None, description="When a success is still bad.")
    schedule: Schedule | None = Field(None, description="When it is due: `every 15m`, or five cron fields.")
    tags: list[str] | None = Field(None, description="Names for selection: `etl sync tag:hourly`.")
    hooks: HooksPart | None = Field(None, description="Functions of your own, in `hooks.py` beside the YAML files.")
