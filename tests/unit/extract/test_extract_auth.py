"""Credentials are added on the way out, and taken out of what is kept."""

import base64

import pytest

from etl.extract.auth import Signer
from etl.model.source import Auth


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (Auth(), ()),
        (Auth(kind="bearer", values=("tok",)), (("Authorization", "Bearer tok"),)),
        (Auth(kind="header", pairs=(("X-Api-Key", "k"), ("X-Org", "o"))), (("X-Api-Key", "k"), ("X-Org", "o"))),
        (
            Auth(kind="basic", values=("ü", "p:w")),
            (("Authorization", "Basic " + base64.b64encode("ü:p:w".encode()).decode()),),
        ),
        (Auth(kind="query", pairs=(("key", "k"),)), ()),
    ],
)
def test_headers_of_every_kind(auth, headers):
    """User and password of basic auth are UTF-8; a colon in the password stays."""
    assert tuple(Signer(auth).headers) == headers


@pytest.fixture
def signer():
    return Signer(Auth(kind="query", pairs=(("api_key", "s3cr/t+=x"),)))


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://a.test/x", "https://a.test/x?api_key=s3cr%2Ft%2B%3Dx"),
        ("https://a.test/x?q=1", "https://a.test/x?q=1&api_key=s3cr%2Ft%2B%3Dx"),
        ("https://a.test/x?api_key=***&q=1", "https://a.test/x?q=1&api_key=s3cr%2Ft%2B%3Dx"),
        ("https://a.test/x?api%5Fkey=old", "https://a.test/x?api_key=s3cr%2Ft%2B%3Dx"),
        ("https://a.test/x#part", "https://a.test/x?api_key=s3cr%2Ft%2B%3Dx"),
    ],
)
def test_a_key_in_the_query_is_sent_exactly_once(signer, url, signed):
    """Also when the link that is followed already carries one."""
    assert signer.sign(url) == signed


def test_a_url_is_kept_without_the_key(signer):
    """Everything else stays as it was spelt."""
    assert signer.unsigned("https://a.test/x?q=%7E&api_key=s3cr&b=a+b") == "https://a.test/x?q=%7E&b=a+b"
    assert signer.unsigned("https://a.test/x?api_key=s3cr") == "https://a.test/x"


@pytest.mark.parametrize(
    "echo",
    ["api_key=s3cr%2Ft%2B%3Dx", "api_key=s3cr/t%2B%3Dx", "api_key=s3cr/t+=x", "api_key=s3cr\\/t+=x"],
)
def test_a_body_that_repeats_the_key_is_masked(signer, echo):
    """APIs repeat their own query in `next`; that must not reach a table."""
    body = b'{"next": "https:\\/\\/a.test\\/x?' + echo.encode() + b'&page=2"}'

    assert signer.scrub(body) == b'{"next": "https:\\/\\/a.test\\/x?api_key=***&page=2"}'


def test_data_that_equals_a_short_key_stays():
    """A key `demo` does not turn the city Demo, or the word, into stars."""
    signer = Signer(Auth(kind="query", pairs=(("key", "demo"),)))

    assert signer.scrub(b'{"name": "demo", "key": "demo"}') == b'{"name": "demo", "key": "demo"}'
