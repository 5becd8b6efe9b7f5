"""The Link header as servers write it."""

import pytest

from etl.extract.links import link_targets


@pytest.mark.parametrize(
    ("header", "targets"),
    [
        ('<https://a.test/?page=2>; rel="next"', [("next", "https://a.test/?page=2")]),
        ("<https://a.test/2>; rel=next", [("next", "https://a.test/2")]),
        ('<?p=2>; rel="NEXT", <?p=9>; rel="last"', [("next", "?p=2"), ("last", "?p=9")]),
        ('<https://a.test/?f=a,b;c&p=2>; title="x, y; z"; rel="next"', [("next", "https://a.test/?f=a,b;c&p=2")]),
        ('<https://a.test/x;jsessionid=1?p=2>;rel="next"', [("next", "https://a.test/x;jsessionid=1?p=2")]),
        ('<?p=2>; rel="next last"', [("next", "?p=2"), ("last", "?p=2")]),
        ('<?p=2>; rel="next"; results="true"; cursor="a,b"', [("next", "?p=2")]),
        ('<?p=1>; title="rel=next"; rel="prev"', [("prev", "?p=1")]),
        ('<?p=2>; rel="next"; rel="last"', [("next", "?p=2")]),
        ("<>; rel=next", []),
        ("<?p=2>", []),
        ("next", []),
        ("", []),
    ],
)
def test_relations_and_their_targets(header, targets):
    """Commas, semicolons and quotes may stand in a target and in a title; nonsense is no link."""
    assert list(link_targets(header)) == targets


def test_a_hostile_header_is_read_in_linear_time():
    """64 KiB of almost-links must not hold the loop; the test would run into its deadline."""
    for part in ('<a>; rel="', "<", ";;;;=", '<a>;a=";', "<a>; b ", "<a>" + ";a=b" * 20):
        assert len(list(link_targets(part * (60_000 // len(part))))) < 10_000
