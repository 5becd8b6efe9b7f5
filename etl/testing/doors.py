"""Lists behind a door: each wants its credential and answers 401 otherwise. The rows are those of `/api/items`.

| path | credential |
| --- | --- |
| `/auth/bearer/items` | `Authorization: Bearer open-sesame` |
| `/auth/basic/items` | user `ali`, password `open-sesame` |
| `/auth/header/items` | `X-Api-Key: open-sesame` |
| `/auth/query/items` | `?api_key=open-sesame` |
"""

from __future__ import annotations

import base64
from typing import Final

from etl.testing import shop
from etl.testing.exchange import Answer, Call, error
from etl.testing.state import ShopState

USER: Final = "ali"
SECRET: Final = "open-sesame"  # noqa: S105 - it opens nothing but this toy
_BASIC: Final = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


def bearer(state: ShopState, call: Call) -> Answer:
    """A bearer token."""
    return _enter(state, call, call.headers.get("authorization") == f"Bearer {SECRET}", "Bearer")


def basic(state: ShopState, call: Call) -> Answer:
    """User and password."""
    return _enter(state, call, call.headers.get("authorization") == _BASIC, 'Basic realm="shop"')


def header(state: ShopState, call: Call) -> Answer:
    """A key in a header of its own."""
    return _enter(state, call, call.headers.get("x-api-key") == SECRET, "ApiKey")


def query(state: ShopState, call: Call) -> Answer:
    """A key in the query, where every log sees it."""
    return _enter(state, call, call.query.get("api_key") == SECRET, "ApiKey")


def _enter(state: ShopState, call: Call, welcome: bool, challenge: str) -> Answer:
    if welcome:
        return shop.items(state, call)
    return error(401, "the credential is missing or wrong", ("WWW-Authenticate", challenge))
