"""One API: a file in `config/`. Its name is the source's name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from etl.settings.format.auth import Auth
from etl.settings.format.limits import LimitsPart
from etl.settings.format.part import Name, Part, Scalar, Text
from etl.settings.format.stream import StreamPart
from etl.settings.format.values import Schedule


def _empty(value: object) -> object:
    return {} if value is None else value


class SourcePart(Part):
    """A source: where the API is, how requests are signed, how hard it may be pushed, and its streams."""

    base_url: Text = Field(description="Where all paths begin: `https://api.example.org/v1`.")
    auth: Auth | None = Field(None, description="How requests are signed. Default: not at all.")
    headers: dict[str, Scalar] | None = Field(None, description="Headers of every request.")
    limits: LimitsPart | None = Field(None, description="How hard the API may be pushed.")
    allow_hosts: list[Text] | None = Field(
        None, description="Other hosts or origins that links may lead to, and that get the credentials too."
    )
    verify_tls: bool | None = Field(None, description="Default true. Without it anybody on the way can read the key.")
    trust_env: bool | None = Field(None, description="Use HTTP_PROXY and its kin from the environment. Default false.")
    schedule: Schedule | None = Field(None, description="When its streams are due: `every 15m`, or five cron fields.")
    tags: list[str] | None = Field(None, description="Names for selection: `etl sync tag:hourly`.")
    notify: Any = Field(None, description="Who is told.")
    ping: str | None = Field(None, description="A URL that hears of every run.")
    defaults: StreamPart | None = Field(None, description="Keys that its streams share; maps merge one level deep.")
    streams: Annotated[
        dict[Name, Annotated[StreamPart, BeforeValidator(_empty)]],
        Field(min_length=1),
    ] = Field(description="The lists of this API, each one table.")
