"""Where requests may go, and where credentials may go with them."""

import httpx
import pytest

from etl.errors import ForeignHost
from etl.extract.origins import Origins, origin_of
from etl.extract.transport import split_target

BASE = "https://api.test/v1"


@pytest.fixture
def origins(kit):
    return Origins(kit.source(BASE, allow_hosts=("files.test", "https://other.test:8443", "odd.test:81")))


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("?page=2", "https://api.test/v1/things?page=2"),
        ("/v2/things", "https://api.test/v2/things"),
        ("more", "https://api.test/v1/more"),
        ("//api.test/x", "https://api.test/x"),
        ("https://API.test:443/x", "https://API.test:443/x"),
        (" https://api.test/x ", "https://api.test/x"),
        ("https://api.test/a%2Fb?q=%7E", "https://api.test/a%2Fb?q=%7E"),
    ],
)
def test_links_of_the_own_origin_are_resolved(origins, link, url):
    """Relative ones against the request, absolute ones as they are."""
    assert origins.resolve(link, "https://api.test/v1/things?page=1") == url
    assert origins.is_own(url)


@pytest.mark.parametrize(
    "url", ["http://files.test/x", "https://files.test:9/x", "https://other.test:8443/x", "http://odd.test:81/"]
)
def test_allowed_hosts_are_reached_without_credentials(origins, url):
    """An entry is a host, a host with its port, or a whole origin."""
    assert origins.is_own(url) is False


HOSTILE = [
    "https://evil.test/x",
    "https://api.test.evil.test/",
    "https://evil.test#@api.test/",
    "https://evil.test?@api.test/",
    "https://api.test@evil.test/",
    "https://user:pw@api.test/",
    "https://api.test\\@evil.test/",
    "https://evil.test\\.api.test/",
    "https://evil.test;@api.test/",
    "//evil.test/x",
    "\\\\evil.test/x",
    "https:\\\\evil.test/x",
    "ht\ntps://evil.test/",
    "http://api.test/x",
    "https://api.test:8443/x",
    "https://api.test:99999/x",
    "https://api.test:port/x",
    "https://[::1/x",
    "https://127.0.0.1/x",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "ftp://api.test/x",
    "javascript:alert(1)",
    "https://ap\u0131.test/",
    "https://api\uff0etest/",
    "https:///x",
    "http://other.test:8443/x",
    "http://odd.test/",
]


@pytest.mark.parametrize("link", HOSTILE)
def test_links_that_lead_elsewhere_are_refused(origins, link):
    """Or, where two parsers could disagree, no request leaves the origin after all."""
    try:
        url = origins.resolve(link, BASE)
    except ForeignHost:
        return
    carried = httpx.URL(split_target(url)[0])
    assert (carried.scheme, carried.host, carried.port) == ("https", "api.test", None)


def test_the_message_names_both_hosts_and_the_remedy(origins):
    """And neither path nor query, which may hold a token."""
    with pytest.raises(ForeignHost) as caught:
        origins.resolve("https://evil.test/secret?token=abc", BASE)

    assert caught.value.what == "api: a link leads to https://evil.test, away from https://api.test:443"
    assert "allow_hosts: [evil.test]" in caught.value.hint
    assert "abc" not in f"{caught.value} {caught.value.hint}"


def test_http_to_https_of_the_same_host_stays_home(kit):
    """Credentials become safer, not less safe; the way back is refused."""
    assert Origins(kit.source("http://api.test")).is_own("https://api.test/x")
    with pytest.raises(ForeignHost):
        Origins(kit.source("https://api.test")).is_own("http://api.test/x")


def test_the_default_port_is_filled_in():
    """`https://a` and `https://a:443` are one origin."""
    assert origin_of("HTTPS://A.test") == origin_of("https://a.test:443/x") == ("https", "a.test", 443)
