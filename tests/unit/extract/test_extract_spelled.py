"""A request as it is shown: whole, and without its credentials."""

from __future__ import annotations

import pytest

from etl.extract.auth import Signer
from etl.model.source import Auth


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        pytest.param(Auth(kind="bearer", values=("s3cret",)), [("Authorization", "Bearer ***")], id="bearer"),
        pytest.param(Auth(kind="basic", values=("ali", "s3cret")), [("Authorization", "Basic ***")], id="basic"),
        pytest.param(Auth(kind="header", pairs=(("X-Key", "s3cret"),)), [("X-Key", "***")], id="header"),
        pytest.param(Auth(kind="header", pairs=(("Authorization", "s3cret x"),)), [("Authorization", "***")], id="own"),
        pytest.param(Auth(), [], id="none"),
    ],
)
def test_the_credentials_of_a_header_are_masked_whatever_the_redactor_knows(
    auth: Auth, shown: list[tuple[str, str]]
) -> None:
    """The scheme stays: it is half of what people get wrong."""
    assert list(Signer(auth).masked_headers) == shown


def test_the_credentials_of_a_query_are_masked() -> None:
    """Only their names are shown."""
    assert Signer(Auth(kind="query", pairs=(("api key", "s3cret"),))).masked_query == "api%20key=***"
