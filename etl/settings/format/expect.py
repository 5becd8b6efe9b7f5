"""When a success is still bad."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etl.settings.format.part import Part
from etl.settings.format.values import PositiveDuration


class ExpectPart(Part):
    """Bounds on the result of a run; a broken one ends in exit code 5."""

    min_rows: Annotated[int, Field(ge=0)] | None = Field(None, description="Fewest rows a run may deliver.")
    max_reject_share: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Largest share of items that may be rejected, 0 to 1. Default 0.01."
    )
    fresh: PositiveDuration | None = Field(None, description="The newest row may be no older than this.")
    complete: Literal["verified", "consistent"] | None = Field(
        None, description="The weakest verdict that is good enough."
    )
