"""The project file, `config/etl.yaml`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from etl.settings.format.limits import LimitsPart
from etl.settings.format.part import Part, Text
from etl.settings.format.stream import StreamPart


class ServePart(Part):
    """Where `etl serve` listens."""

    host: Text | None = Field(None, description="Default 127.0.0.1.")
    port: Annotated[int, Field(ge=0, le=65535)] | None = Field(None, description="Default 8321.")


class ProjectDefaultsPart(StreamPart):
    """What all sources and streams share."""

    limits: LimitsPart | None = Field(None, description="Limits of every source that sets none of its own.")


class ProjectPart(Part):
    """The project: which database, and what all sources share."""

    database: Text | None = Field(
        None, description="`sqlite:///data/etl.db` or `postgresql://user:${PGPASSWORD}@host/name`."
    )
    schedule_timezone: Text | None = Field(None, description="The time zone of cron schedules. Default UTC.")
    defaults: ProjectDefaultsPart | None = Field(None, description="Keys that all streams share; nearest wins.")
    notify: Any = Field(None, description="Who is told.")
    ping: str | None = Field(None, description="A URL that hears of every run.")
    serve: ServePart | None = Field(None, description="Where `etl serve` listens.")
