"""What marks a change."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etl.settings.format.part import Part
from etl.settings.format.values import Amount, ASelector, Duration, Format, Start
from etl.settings.format.values import Field as ItemField


class IncrementalPart(Part):
    """Ask only for what changed since the last run: `{start}` and `{end}` in the request are its window."""

    field: ItemField | None = Field(
        None, description="The field of an item that grows with every change: `updated_at`."
    )
    start: Start | None = Field(
        None, description="Where the first run begins: a date, or a number for number cursors. Default: everything."
    )
    format: Format | None = Field(
        None,
        description="How `{start}` and `{end}` are written: `iso` (default), `unix`, `unix_ms`, `date`, `number` "
        "(default when `start` is a number), `text`, or a pattern such as `%Y-%m-%d %H:%M`.",
    )
    step: Amount | None = Field(
        None, description="Cut first runs and backfills into windows of this length; the request needs `{end}`."
    )
    overlap: Amount | None = Field(
        None, description="Ask again for this much before the watermark. Default 0. A number for number cursors."
    )
    lag: Duration | None = Field(
        None, description="Taken off when the watermark moves, for rows that are committed late. Default `5m`."
    )
    delay: Duration | None = Field(None, description="Stay this far away from now. Default 0.")
    inclusive: bool | None = Field(None, description="`{end}` itself is part of the answer (dates).")
    ordered: bool | None = Field(
        None, description="The list is sorted by `field`, ascending; short for `order: {by: FIELD}`."
    )
    token: ASelector | None = Field(
        None, description="Instead of `field`: the watermark is an opaque token of the response, sent as `{start}`."
    )
    from_: Literal["first", "last"] | None = Field(
        None, alias="from", description="Which page's `token` counts. Default: `last` for cursors and links."
    )
