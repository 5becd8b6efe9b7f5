"""How requests are signed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from etl.settings.format.hooks import HookName
from etl.settings.format.part import Part, Text, shape


class OAuth2Part(Part):
    """A token fetched from the API's own token endpoint."""

    token_url: Text = Field(description="Where the token is fetched.")
    grant: Literal["client_credentials", "refresh_token"] | None = Field(
        None, description="The OAuth 2 grant. Default: `client_credentials`, with a `refresh_token` that one."
    )
    client_id: Text = Field(description="The client's id; take it from the environment: `${CLIENT_ID}`.")
    client_secret: Text | None = Field(
        None, description="The client's secret; take it from the environment: `${CLIENT_SECRET}`."
    )
    refresh_token: Text | None = Field(None, description="The refresh token, for that grant.")
    scope: Text | None = Field(None, description="The scopes to ask for, separated by blanks.")
    client: Literal["basic", "body"] | None = Field(
        None, description="Where id and secret are sent. Default: HTTP Basic, and the body where that is not read."
    )
    params: dict[str, Text] | None = Field(None, description="Further fields of the token request, such as `audience`.")


class AuthPart(Part):
    """Exactly one of the ways to sign. Sent to the origin of `base_url` (and `allow_hosts`) only."""

    bearer: Text | None = Field(None, description="Sent as `Authorization: Bearer ...`. Write `${NAME}`.")
    header: dict[str, Text] | None = Field(None, description="Headers that carry the key: `{X-Api-Key: '${KEY}'}`.")
    query: dict[str, Text] | None = Field(
        None, description="Query parameters that carry the key: `{api_key: '${KEY}'}`."
    )
    basic: Annotated[list[str], Field(min_length=2, max_length=2)] | None = Field(
        None, description="User and password: `['${USER}', '${PASSWORD}']`."
    )
    oauth2: OAuth2Part | None = Field(None, description="A token from the API's token endpoint.")
    hook: HookName | None = Field(None, description="A function in `hooks.py` that signs each request.")
    given: dict[str, Text] | None = Field(None, description="What the hook is given: `{key: '${KEY}'}`.")


Auth = Annotated[
    Annotated[Literal["none"], Tag("text")] | Annotated[AuthPart, Tag("map")],
    Discriminator(
        shape,
        custom_error_type="shape",
        custom_error_message="should be `none` or a map such as {{bearer: '${NAME}'}}",
    ),
]
