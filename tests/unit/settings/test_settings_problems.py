"""Mistakes are told at their place, in plain words, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.errors import ConfigError
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Deletes, DeletesKind
from etl.settings import load

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure, Problems

GOOD = """\
base_url: https://api.example.org
streams:
  items: {path: /items, key: id, pages: none}
"""


def test_an_unknown_key_gets_a_suggestion(problems: Problems) -> None:
    """A misspelt `incremental` must not become a full refresh that nobody notices."""
    told = problems(
        shop="""\
        base_url: https://api.example.org
        streams:
          items:
            key: id
            incremental:
              feild: updated_at
        """
    )

    assert told == ["shop.yaml:6:7: streams.items.incremental.feild: unknown key (did you mean `field`?)"]


def test_a_key_at_the_wrong_level_is_told_its_home(problems: Problems) -> None:
    """`size` is right, one level down; `auth` is right, further out."""
    told = problems(
        shop="""\
        base_url: https://api.example.org
        path: /x
        streams:
          items:
            key: id
            auth: {bearer: x}
            size: 3
        """
    )

    assert told == [
        "shop.yaml:2:1: path: unknown key (`path` belongs to a stream)",
        "shop.yaml:6:5: streams.items.auth: unknown key (`auth` belongs to the whole file, one level further out)",
        "shop.yaml:7:5: streams.items.size: unknown key (`size` belongs under `pages`)",
    ]


def test_problems_of_all_files_come_together(problems: Problems) -> None:
    """One look mends them all; files and lines are in order."""
    told = problems(
        etl="databse: sqlite:///x.db\n",
        a="base_url: https://a.example\nstreams:\n  x: {key: 7}\n",
        b="streams: {}\n",
    )

    assert told == [
        "a.yaml:3:12: streams.x.key: should be a field of an item, or a list of fields",
        "b.yaml:1:1: base_url: is required (the address of the API, as in base_url: https://api.example.org/v1)",
        "b.yaml:1:10: streams: has too few members",
        "etl.yaml:1:1: databse: unknown key (did you mean `database`?)",
    ]


def test_a_misspelt_key_is_told_once_and_not_as_missing_too(problems: Problems) -> None:
    """The second line sent people looking for a second mistake."""
    assert problems(shop=GOOD.replace("base_url", "base_ulr")) == [
        "shop.yaml:1:1: base_ulr: unknown key (did you mean `base_url`?)"
    ]


def test_what_this_version_cannot_do_is_not_called_unknown_as_well(problems: Problems) -> None:
    """`raw` belongs to a stream, and there it would be refused again."""
    assert problems(shop=f"{GOOD}raw: 7d\n") == [
        "shop.yaml:4:1: raw: `raw` is part of the format, but this version cannot do it yet"
    ]


def test_a_file_that_is_a_list_is_told_what_it_should_be(problems: Problems) -> None:
    """Without a key there is no path to name."""
    assert problems(shop="- a\n") == [
        "shop.yaml:1:1: the file should be a map of keys (such as `base_url` and `streams`)"
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("pages: {number: one}", "7:21: streams.items.pages.number: should be a whole number"),
        ("pages: lnk", "7:12: streams.items.pages: should be `none` or `link` (did you mean `link`?)"),
        ("pages: cursor", "should be `none` or `link` (`cursor` needs more: write {cursor: ...})"),
        ("deletes: soft", "should be `ignore` or `infer` (or a map with field, when)"),
        ("pages: [a]", "should be `none`, `link`, or a map with one of number, offset, cursor, link"),
        ("records: 'a['", "streams.items.records: is no valid JMESPath at its end: Incomplete expression"),
        ("records: 'a[?b=1]'", "is no valid JMESPath at character 5, `=1]`: Unknown token"),
        ("method: GTE", "should be `GET`, `POST` or `PUT`"),
        ("max_pages: 0", "streams.items.max_pages: should be greater than or equal to 1"),
        ("max_pages: '${MAX}'", "should be a whole number; variables may stand only in texts that are sent"),
        ("incremental: {field: x, lag: 5}", "5 is not a duration; write a number and a unit, as in 30s, 5m, 12h"),
        ("incremental: {field: x, format: isoo}", "unknown format 'isoo'"),
        ("ordered: true", "unknown key (`ordered` belongs under `incremental` (sorted by its field) or `pages`"),
        ("schedule: sometimes", "'sometimes' is not a schedule; write `every 15m`, `@daily`, or five cron fields"),
        ("columns: {a: varchar}", "streams.items.columns.a: should be `bigint`, `double`"),
        ("params: {page: {page}}", 'YAML reads {page} as a map; put it in quotes: "{page}"'),
        ("key: [id, 'a b']", "streams.items.key.1: 'a b' is no field of an item"),
        ("pages: {cursor: 'head:X-Next'}", "a HEAD request is made for totals only"),
        (
            "table: Orders",
            "streams.items.table: not a possible name (lower-case letters, digits and _, no digit first, at",
        ),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(problems: Problems, keys: str, message: str) -> None:
    """The place is the value's, the words need no manual."""
    told = problems(
        shop=f"base_url: https://a.example\nstreams:\n  items:\n    path: /x\n    write: append\n\n    {keys}\n"
    )

    assert len(told) == 1
    assert message in told[0]


def test_a_wrong_name_of_a_stream_is_told_at_its_key(problems: Problems) -> None:
    """It becomes part of a table's name."""
    told = problems(shop="base_url: https://a.example\nstreams:\n  Items: {key: id}\n")

    assert told == [
        "shop.yaml:3:3: streams.Items: not a possible name (lower-case letters, digits and _, at most 48 of them)"
    ]


def test_a_wrong_name_of_a_file_is_told(problems: Problems, tmp_path: Path) -> None:
    """A file's name is its source's name."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "My-Shop.yaml").write_text(GOOD)

    assert problems() == [
        "My-Shop.yaml: 'My-Shop' is no possible name of a source (a-z, 0-9 and _, at most 48 of them)"
    ]


def test_two_files_of_one_name_are_told(problems: Problems, tmp_path: Path) -> None:
    """`shop.yaml` and `shop.yml` cannot both be `shop`."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "shop.yml").write_text(GOOD)

    told = problems(shop=GOOD)

    assert len(told) == 1
    assert told[0].startswith("shop.yml: there is another file for 'shop': ")


def test_hidden_files_and_subfolders_are_no_configuration(configure: Configure, tmp_path: Path) -> None:
    """The gallery and the editor's schema live below the folder."""
    (tmp_path / "config" / "examples").mkdir(parents=True)
    (tmp_path / "config" / "examples" / "other.yaml").write_text("nonsense: [")
    (tmp_path / "config" / ".hidden.yaml").write_text("nonsense: [")

    assert list(configure(shop=GOOD).sources) == ["shop"]


def test_a_missing_folder_is_one_problem(tmp_path: Path) -> None:
    """A fresh folder has none."""
    with pytest.raises(ConfigError, match="there is no such folder"):
        load(tmp_path / "config", environ={})


def test_an_empty_folder_is_no_mistake(configure: Configure) -> None:
    """`etl query` works on a database without any source."""
    settings = configure()

    assert settings.streams == ()
    assert settings.project.database is None


def test_a_literal_secret_never_appears_in_a_message(problems: Problems) -> None:
    """Even a wrong one is not repeated."""
    told = problems(
        shop="""\
        base_url: https://user:hunter22@a.example
        auth: {bearer: hunter23, basic: [hunter24]}
        streams:
          items: {key: id}
        """
    )

    assert told
    assert "hunter" not in "".join(told)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ("raw: 7d", "streams.items.raw"),
    ],
)
def test_what_cannot_be_done_yet_is_refused_at_its_line(problems: Problems, keys: str, place: str) -> None:
    """Ignored silently, it would look as if it worked."""
    told = problems(shop=f"base_url: https://a.example\nstreams:\n  items:\n    key: id\n    {keys}\n")

    assert "shop.yaml:5:" in told[0]
    assert place in told[0]
    assert "this version cannot do it yet" in told[0]


@pytest.mark.parametrize("keys", ["notify: {to: [x]}", "ping: https://x.example"])
def test_what_the_project_cannot_do_yet_is_refused(problems: Problems, keys: str) -> None:
    """The same in `etl.yaml`."""
    assert "this version cannot do it yet" in problems(etl=keys)[0]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("grant: client_credentials, client_id: a", "auth.oauth2.grant: needs `client_secret`"),
        ("grant: refresh_token, client_id: a, client_secret: b", "auth.oauth2.grant: needs `refresh_token`"),
        (
            "grant: client_credentials, client_id: a, client_secret: b, refresh_token: c",
            "auth.oauth2.refresh_token: belongs to `grant: refresh_token`",
        ),
        ("grant: password, client_id: a", "auth.oauth2.grant: should be `client_credentials` or `refresh_token`"),
    ],
)
def test_a_grant_has_to_have_what_it_needs(problems: Problems, keys: str, told: str) -> None:
    """Seen offline, at its place."""
    shop = f"""\
base_url: https://a.example
auth:
  oauth2: {{token_url: https://a.example/t, {keys}}}
streams:
  items: {{key: id}}
"""

    assert told in problems(shop=shop)[0]


def test_a_token_url_holds_no_credentials(problems: Problems) -> None:
    """They have keys of their own."""
    shop = """\
    base_url: https://a.example
    auth:
      oauth2: {token_url: "https://a:b@a.example/t", grant: client_credentials, client_id: a, client_secret: b}
    streams:
      items: {key: id}
    """

    assert "auth.oauth2.token_url: holds credentials" in problems(shop=shop)[0]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("write: append\n    deletes: infer", "deletes: needs a `key`: which row is gone is told by it"),
        ("key: id\n    write: replace\n    deletes: infer", "deletes: marks rows, and `write: replace` removes them"),
        ("key: id\n    deletes: {}", "deletes: needs exactly one of field, when"),
        ("key: id\n    deletes: {when: 'header:X-Gone'}", "deletes.when: looks at an item, which has no headers"),
        (
            "key: id\n    deletes: infer\n    incremental: {field: at}\n    params: {q: 'at >= {start}'}",
            "deletes: compares whole lists, and params.q always restricts them",
        ),
    ],
)
def test_deletes_that_could_not_be_told_are_problems(problems: Problems, keys: str, told: str) -> None:
    """A row that is wrongly called deleted is worse than none."""
    found = problems(shop=f"base_url: https://a.example\nstreams:\n  items:\n    pages: none\n    {keys}\n")

    assert any(told in problem for problem in found), found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("infer", Deletes(kind=DeletesKind.INFER)),
        ("{field: meta.gone}", Deletes(kind=DeletesKind.FIELD, field=("meta", "gone"))),
        (
            "{when: \"state == 'gone'\"}",
            Deletes(kind=DeletesKind.WHEN, when=Selector(SelectorKind.BODY, "state == 'gone'")),
        ),
    ],
)
def test_deletes_become_a_value_and_change_the_fingerprint(configure: Configure, written: str, meant: Deletes) -> None:
    """Runs with different deletes never complete each other's reading."""
    plain = configure(shop=GOOD).streams[0]
    stream = configure(shop=GOOD.replace("pages: none", f"pages: none, deletes: {written}")).streams[0]

    assert stream.deletes == meant
    assert stream.fingerprint != plain.fingerprint


def test_deletes_ignore_is_no_feature(configure: Configure) -> None:
    """It is the default, written down."""
    settings = configure(shop=GOOD.replace("pages: none", "pages: none, deletes: ignore"))

    assert [stream.id for stream in settings.streams] == ["shop.items"]


def test_a_wrong_jmespath_does_not_hide_the_other_mistakes_of_its_file(problems: Problems) -> None:
    """Those that are found by building what was read: here a placeholder that nobody fills, in two streams."""
    told = problems(
        shop="""\
        base_url: https://api.example.org
        streams:
          items: {path: "/items/{nobody}", key: id, pages: none, records: "a["}
          orders: {path: "/orders/{nobody}", key: id, pages: {link: "b[?"}}
        """
    )

    assert len(told) == 4
    assert len([line for line in told if "is no valid JMESPath" in line]) == 2
    assert len([line for line in told if "{nobody}" in line]) == 2
