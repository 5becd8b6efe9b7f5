"""`for_each`: what can be a member, and what is seen offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.model.member import FromRows, Listed
from etl.model.stream import Stream

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure, Problems

HEAD = "base_url: https://a.example\nstreams:\n  items:\n    key: id\n    pages: none\n"


def one(configure: Configure, keys: str) -> Stream:
    return configure(shop=HEAD + "".join(f"    {line}\n" for line in keys.splitlines())).streams[0]


def names(stream: Stream) -> list[str]:
    assert stream.for_each is not None
    return [member.name for member in stream.for_each.members()]


def test_members_stand_in_the_file_as_texts_numbers_and_maps(configure: Configure) -> None:
    """A value that is written as 1.10 is a version, and is not sent as 1.1."""
    stream = one(configure, "path: '/{v}'\nfor_each: {v: [a/b, 7, true, 1.10, 2.5]}")

    assert stream.for_each is not None
    assert stream.for_each.listed == (Listed(name="v", values=("a/b", 7, True, "1.10", 2.5)),)
    assert names(stream) == ["a/b", "7", "true", "1.10", "2.5"]


def test_a_map_is_named_by_its_canonical_json(configure: Configure) -> None:
    """The order of its keys in the file is no part of its identity."""
    stream = one(
        configure, "params: {lat: '{city.lat}'}\nfor_each: {city: [{name: Lagos, lat: 6.5}, {lat: 52.5, name: Berlin}]}"
    )

    assert names(stream) == ['{"lat":6.5,"name":"Lagos"}', '{"lat":52.5,"name":"Berlin"}']


def test_several_variables_make_a_product(configure: Configure) -> None:
    """Every combination is a member."""
    stream = one(configure, "path: '/{org}/{year}'\nfor_each: {org: [a, b], year: [2024, 2025]}")

    assert names(stream) == [
        '{"org":"a","year":2024}',
        '{"org":"a","year":2025}',
        '{"org":"b","year":2024}',
        '{"org":"b","year":2025}',
    ]


def test_a_further_member_leaves_the_fingerprint_alone(configure: Configure) -> None:
    """A reading that was interrupted goes on, and so does every watermark."""
    before = one(configure, "path: '/{repo}'\nfor_each: {repo: [a]}")
    after = one(configure, "path: '/{repo}'\nfor_each: {repo: [a, b]}")

    assert before.fingerprint == after.fingerprint


def test_an_inherited_variable_is_taken_out_by_null(configure: Configure) -> None:
    """Maps merge one level deep, `for_each` too."""
    settings = configure(
        shop="""\
        base_url: https://a.example
        defaults: {key: id, pages: none, for_each: {repo: [a]}}
        streams:
          issues: {path: "/{repo}"}
          users: {path: /users, for_each: {repo: null}}
          teams: {path: /teams, for_each: null}
        """
    )

    assert [stream.for_each is None for stream in settings.streams] == [False, True, True]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param(
            "for_each: {repo: [a]}",
            "shop.yaml:6:16: streams.items.for_each.repo: no request holds {repo}, so every member would be asked for "
            'the same list (write "{repo}" into path, params, headers or the body; null takes out what is inherited)',
            id="unused",
        ),
        pytest.param(
            "path: '/{repo}'",
            "shop.yaml:6:11: streams.items.path: there is no placeholder {repo} "
            "(possible here: cursor, end, offset, page, size, start)",
            id="placeholder-without-for-each",
        ),
        pytest.param(
            "path: '/{a}'\nfor_each: {page: [1], a: [b]}",
            "shop.yaml:7:16: streams.items.for_each.page: 'page' is no possible name of a variable "
            "(page, offset, size, cursor, start, end, outer have a meaning of their own)",
            id="taken-name",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: [a, b, a]}",
            "shop.yaml:7:29: streams.items.for_each.repo.2: stands here twice, first as number 1",
            id="twice",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: []}",
            "shop.yaml:7:16: streams.items.for_each.repo: has no member "
            "(a stream for nothing reads nothing: leave it out)",
            id="empty",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: [[a]]}",
            "shop.yaml:7:23: streams.items.for_each.repo.0: a member is a text, a number, or a map of them",
            id="list-in-list",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: ['${REPO}']}",
            "shop.yaml:7:23: streams.items.for_each.repo.0: a member cannot come from the environment "
            "(members are stored and shown by their names: write them out, or put the variable into `path`)",
            id="environment",
        ),
        pytest.param(
            "path: '/{city.zip}'\nfor_each: {city: [{name: Lagos, lat: 6.5}]}",
            'shop.yaml:6:11: streams.items.path: the member {"lat":6.5,"name":"Lagos"} has no `zip` '
            "(its parts: {city.name}, {city.lat})",
            id="missing-part",
        ),
        pytest.param(
            "path: '/{repo.owner}'\nfor_each: {repo: [a]}",
            "shop.yaml:6:11: streams.items.path: the member a has no `owner` (it is a single value: {repo})",
            id="part-of-a-text",
        ),
        pytest.param(
            "params: {q: '{city}'}\nfor_each: {city: [{name: Lagos}]}",
            "shop.yaml:6:17: streams.items.params.q: {city} is a map, which this place cannot hold "
            "(its parts: {city.name}, or {city:json} for its JSON)",
            id="map-in-a-query",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: pallets}",
            "shop.yaml:7:22: streams.items.for_each.repo: should be a list of values, or stream.column for the rows of "
            "another stream",
            id="a-bare-text",
        ),
        pytest.param(
            "path: '/{repo}'\nfor_each: {repo: [a]}\nadd: {repo: '{repos}'}",
            "shop.yaml:8:17: streams.items.add.repo: there is no placeholder {repos} here (did you mean `repo`?)",
            id="add",
        ),
    ],
)
def test_what_cannot_work_is_told_at_its_line_with_a_way_out(problems: Problems, keys: str, told: str) -> None:
    """Nothing is sent before the members make sense."""
    text = HEAD + "".join(f"    {line}\n" for line in keys.splitlines())

    assert problems(shop=text) == [told]


def test_members_may_be_columns_of_another_stream(configure: Configure) -> None:
    """By path; those of one stream stand in one row."""
    settings = configure(
        shop="""\
        base_url: https://a.example
        defaults: {key: id, pages: none}
        streams:
          issues: {path: "/{owner}/{repo}/{state}", for_each: {owner: repos.owner.login, repo: repos.name, state: [a]}}
          repos: {path: /repos}
        """
    )

    for_each = settings.streams[0].for_each
    assert for_each is not None
    assert for_each.rows == FromRows(stream="shop.repos", columns=(("owner", ("owner", "login")), ("repo", ("name",))))
    assert for_each.names == ("state", "owner", "repo")


PARENTS = """\
base_url: https://a.example
defaults: {{key: id, pages: none}}
streams:
  repos: {{path: /repos{repos}}}
  issues: {{path: "/{{r}}", for_each: {{r: {column}}}}}
  notes: {{path: "/{{n}}", for_each: {{n: issues.id}}}}
"""


@pytest.mark.parametrize(
    ("repos", "column", "told"),
    [
        pytest.param(
            "",
            "repo.id",
            "shop.yaml:5:40: streams.issues.for_each.r: there is no stream `repo` in this source "
            "(did you mean `repos`?)",
            id="unknown-stream",
        ),
        pytest.param(
            "",
            "issues.id",
            "shop.yaml:5:40: streams.issues.for_each.r: a stream cannot be its own parent: shop.issues < shop.issues "
            "(take the members from another stream, or write a list)",
            id="itself",
        ),
        pytest.param(
            "",
            "notes.id",
            "shop.yaml:5:40: streams.issues.for_each.r: a stream cannot be its own parent: "
            "shop.issues < shop.notes < shop.issues (take the members from another stream, or write a list)",
            id="circle",
        ),
        pytest.param(
            ", columns: {url: drop}",
            "repos.url",
            "shop.yaml:5:40: streams.issues.for_each.r: repos drops the column url "
            "(remove `url: drop` from its `columns`)",
            id="dropped-column",
        ),
        pytest.param(
            "",
            "repos.a b",
            "shop.yaml:5:40: streams.issues.for_each.r: 'a b' is no field of an item; write a name, or names joined by "
            "dots",
            id="no-column",
        ),
    ],
)
def test_parents_that_cannot_be_are_told_offline(problems: Problems, repos: str, column: str, told: str) -> None:
    """A cycle would wait for itself for ever."""
    assert problems(shop=PARENTS.format(repos=repos, column=column))[0] == told


def test_variables_from_two_streams_are_refused(problems: Problems) -> None:
    """Which row of the one goes with which row of the other, nobody said."""
    (told,) = problems(
        shop="""\
        base_url: https://a.example
        defaults: {key: id, pages: none}
        streams:
          a: {path: /a}
          b: {path: /b}
          c: {path: "/{x}/{y}", for_each: {x: a.id, y: b.id}}
        """
    )

    assert told == (
        "shop.yaml:6:48: streams.c.for_each.y: comes from `b`, and another variable from `a` "
        "(all variables from rows are columns of one stream's rows)"
    )


def test_a_map_may_go_whole_into_a_json_body(configure: Configure) -> None:
    """There a value keeps its type."""
    stream = one(configure, "method: POST\njson: {where: '{city}'}\nfor_each: {city: [{name: Lagos}]}")

    assert names(stream) == ['{"name":"Lagos"}']
