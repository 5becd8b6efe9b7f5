"""What goes onto the request line, and how headers come in."""

import pytest

from etl.extract.transport import read_headers, split_target


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://a.test", "https://a.test", "/"),
        ("https://a.test:8443/v1", "https://a.test:8443", "/v1"),
        ("https://a.test?x=1", "https://a.test", "/?x=1"),
        ("https://a.test/x?a=https://b.test/y", "https://a.test", "/x?a=https://b.test/y"),
        ("https://a.test/x#part", "https://a.test", "/x"),
        ("http://[::1]:80/x", "http://[::1]:80", "/x"),
        ("https://a.test/a%2Fb;c=d/../e?q=%7E~+%20%2b[]{}|^`'()*!$,:@", "https://a.test", None),
        ("https://a.test/a b?q=a b", "https://a.test", "/a%20b?q=a%20b"),
        ('https://a.test/?q="<>"', "https://a.test", "/?q=%22%3C%3E%22"),
        ("https://a.test/ü?q=→", "https://a.test", "/%C3%BC?q=%E2%86%92"),
        ("https://a.test/?q=100%", "https://a.test", "/?q=100%"),
    ],
)
def test_a_url_is_cut_into_origin_and_target(url, origin, target):
    """None: the target is what stands in the URL. Only what no request line can hold is encoded, and nothing twice."""
    expected = target or url.removeprefix(origin)
    assert split_target(url) == (origin, expected.encode())


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\0", "\t", "\x7f"])
def test_control_characters_are_refused(sign):
    """They would begin another header, or another request."""
    with pytest.raises(ValueError, match="control character"):
        split_target(f"https://a.test/x{sign}Host: evil.test")


def test_headers_are_read_in_lower_case_and_joined():
    """A name that comes twice has two values; bytes that are no UTF-8 stay readable."""
    raw = [(b"Link", b"<a>"), (b"LINK", b"<b>"), (b"X-Name", "Zoë".encode()), (b"X-Odd", b"\xff")]

    assert read_headers(raw) == {"link": "<a>, <b>", "x-name": "Zoë", "x-odd": "\N{REPLACEMENT CHARACTER}"}
