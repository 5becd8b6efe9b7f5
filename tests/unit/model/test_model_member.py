"""The name of a member is its identity for years."""

from __future__ import annotations

import pytest

from etl.model.member import ForEach, FromRows, Listed, Member, name_of


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"repo": "pallets/flask"}, "pallets/flask"),
        ({"id": 7}, "7"),
        ({"flag": False}, "false"),
        ({"city": {"name": "Köln", "lat": 50.9}}, '{"lat":50.9,"name":"Köln"}'),
        ({"org": "a", "year": 2024}, '{"org":"a","year":2024}'),
        ({"year": 2024, "org": "a"}, '{"org":"a","year":2024}'),
        ({"text": ""}, '""'),
        ({"text": "a\x00b"}, '"a\\u0000b"'),
    ],
)
def test_a_name_is_made_of_the_values_alone(variables: dict[str, object], name: str) -> None:
    """Texts and numbers stay readable; nothing can be confused with "no member"."""
    assert name_of(variables) == name


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    """PostgreSQL bounds what an index holds; two long values must not become one member."""
    first, second = name_of({"url": "x" * 5_000 + "1"}), name_of({"url": "x" * 5_000 + "2"})

    assert first != second
    assert first.startswith("x" * 160 + "…")
    assert len(first.encode()) <= 200


def test_rows_and_lists_multiply() -> None:
    """The variables of one row stay together; those written in the file make a product with each row."""
    rows = FromRows(stream="shop.repos", columns=(("owner", ("owner",)), ("repo", ("name",))))
    for_each = ForEach(listed=(Listed(name="state", values=("open", "closed")),), rows=rows)

    members = list(for_each.members({"owner": "a", "repo": "b"}))

    assert for_each.names == ("state", "owner", "repo")
    assert members == [
        Member(name='{"owner":"a","repo":"b","state":"open"}', may_be_gone=True),
        Member(name='{"owner":"a","repo":"b","state":"closed"}', may_be_gone=True),
    ]
