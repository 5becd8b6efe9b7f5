"""Functions of the user's own, by their names in `hooks.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from etl.settings.format.part import Part

HookName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class HooksPart(Part):
    """Where a stream calls them."""

    item: HookName | None = Field(None, description="Called for every item; what it returns is stored.")
