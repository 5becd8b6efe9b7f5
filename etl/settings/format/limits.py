"""How hard a source may be pushed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from etl.settings.format.part import Part
from etl.settings.format.values import PositiveDuration, Rate, Size


class LimitsPart(Part):
    """Limits of one source, shared by all its streams. The concurrency adapts by itself; these are bounds."""

    rate: Rate | None = Field(None, description="Most requests per time: `20/s`, `600/min`, `5000/h`. Default: none.")
    burst: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Requests that may go at once when none went for a while. Default 1."
    )
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="Most requests in flight at once; the limit adapts below it. Default 200."
    )
    timeout: PositiveDuration | None = Field(
        None, description="Total deadline of one request, its whole body included. Default `60s`."
    )
    retries: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="Extra tries after the first. Default 5."
    )
    body: Size | None = Field(None, description="Largest body after decompression. Default 64MiB.")
    record: Size | None = Field(None, description="Largest single item. Default 16MiB.")
