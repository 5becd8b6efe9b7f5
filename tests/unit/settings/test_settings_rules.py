"""What keys must say together: all of it is told offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure, Problems

HEAD = "base_url: https://a.example\nstreams:\n  items:\n"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            ("path: /x",),
            (
                "3:3: streams.items: needs a `key`: the field that identifies an item "
                "(or, for items without one, `write: append` or `write: replace`)"
            ),
        ),
        (("write: merge",), "4:5: streams.items.write: `merge` needs a `key`"),
        (
            ("key: id", 'params: {p: "{pgae}"}', "pages: none"),
            "5:17: streams.items.params.p: there is no placeholder {pgae} (did you mean `page`?)",
        ),
        (
            ("key: id", 'path: "/{start.x}"', "incremental: {field: a}"),
            "5:11: streams.items.path: {start} has no parts",
        ),
        (
            ("key: id", 'params: {p: "{cursor}"}', "pages: {number: 1}", 'path: "/{page}"'),
            "5:17: streams.items.params.p: {cursor} needs `pages: {cursor: ...}`",
        ),
        (("key: id", 'params: {p: "{offset}"}'), "5:17: streams.items.params.p: {offset} needs `pages: {offset: ...}`"),
        (
            ("key: id", 'path: "/{page}"', "pages: link"),
            "5:11: streams.items.path: {page} needs `pages: {number: ...}`",
        ),
        (
            ("key: id", "pages: {offset: 0, size: 10}"),
            (
                "5:13: streams.items.pages.offset: the request never sends {offset}, so every page would be the first "
                '(add a parameter with "{offset}")'
            ),
        ),
        (
            ("key: id", 'params: {p: "{page}", s: "{size}"}', "pages: {number: 1}"),
            "5:30: streams.items.params.s: {size} needs `pages: {size: ...}`",
        ),
        (("key: id", 'params: {s: "{start}"}'), "5:17: streams.items.params.s: {start} needs `incremental`"),
        (
            ("key: id", 'params: {s: "{start}"}', "incremental: {field: at, step: 30d}"),
            (
                "6:30: streams.items.incremental.step: windows need an end: no parameter of the request holds {end} "
                "(leave `step` out, or add the API's upper bound)"
            ),
        ),
        (
            ("key: id", 'params: {s: "{end}"}', "incremental: {field: at}"),
            "5:17: streams.items.params.s: {end} without {start}: a window would begin at the start of the list every",
        ),
        (
            ("key: id", "pages: {number: 1, offset: 0}", 'params: {p: "{page}"}'),
            (
                "5:5: streams.items.pages: needs exactly one of number, offset, cursor, link, merge; here are number "
                "and offset (where they come from different defaults, set the other one to null)"
            ),
        ),
        (
            ("key: id", "pages: {size: 10}"),
            "5:5: streams.items.pages: needs exactly one of number, offset, cursor, link",
        ),
        (
            ("key: id", "pages: {link: a, while: b, until: c}"),
            "5:32: streams.items.pages.until: the end is told either by `while` or by `until`",
        ),
        (
            ("key: id", "pages: {link: a, first: 1}"),
            "5:22: streams.items.pages.first: has a meaning only beside `cursor`",
        ),
        (
            ("key: id", "pages: {link: a, total_pages: b}"),
            "5:22: streams.items.pages.total_pages: counts numbered pages; a chain proves its end by `total_rows`",
        ),
        (
            ("key: id", "records: {rows: a}"),
            "5:5: streams.items.records: should have `columns`, or `rows` and `names`, or `map` and `key`",
        ),
        (
            ("key: id", 'params: {c: "{cursor}"}', "pages: {merge: continue}"),
            "5:17: streams.items.params.c: {cursor} has no value: `merge` puts the members into the request itself",
        ),
        (
            ("key: id", "incremental: {token: last_seq}"),
            "5:19: streams.items.incremental.token: the request never sends it",
        ),
        (
            ("key: id", "pages: none", 'headers: {If-None-Match: "{start}"}'),
            "6:30: streams.items.headers.If-None-Match: {start} needs the ETag of the reading before",
        ),
        (
            ("key: id", 'headers: {if-none-match: "{start}"}', "pages: link", 'incremental: {token: "header:ETag"}'),
            "5:30: streams.items.headers.if-none-match: asks about the first page only, and the list has several",
        ),
        (
            ("key: id", 'params: {s: "{start}"}', "incremental: {token: last_seq, overlap: 5m}"),
            "6:36: streams.items.incremental.overlap: belongs to `field`, not to `token`",
        ),
        (
            ("key: id", 'params: {s: "{start}", e: "{end}"}', "incremental: {token: last_seq}"),
            "5:31: streams.items.params.e: {end} needs `incremental: {field: ...}`",
        ),
        (
            (
                "key: id",
                'params: {s: "{start}", o: "{offset}"}',
                "pages: {offset: 0}",
                "incremental: {token: a, from: last}",
            ),
            "7:35: streams.items.incremental.from: should be `first`",
        ),
        (
            ("key: id", 'params: {s: "{start}"}', "incremental: {field: at, from: last}"),
            "6:30: streams.items.incremental.from: says which page's `token` counts",
        ),
        (
            ("key: id", 'params: {c: "{cursor}"}', 'pages: {cursor: next, first: "{start}"}'),
            "6:34: streams.items.pages.first: {start} needs `incremental`",
        ),
        (
            ("key: id", "incremental: {start: 2024-01-01}"),
            "5:5: streams.items.incremental: needs a `field`: what grows",
        ),
        (
            ("key: id", "incremental: {field: at, start: 2024-13-01}"),
            "5:37: streams.items.incremental.start: '2024-13-01' is no value of the format `iso`",
        ),
        (
            ("key: id", "incremental: {field: id, start: 1, overlap: 5m}"),
            "5:49: streams.items.incremental.overlap: should be a whole number, as the cursor is one",
        ),
        (
            ("key: id", "incremental: {field: at, overlap: 5}"),
            "5:39: streams.items.incremental.overlap: should be a duration such as 5m",
        ),
        (
            ("key: id", "incremental: {field: id, start: 1, lag: 5m}"),
            "5:40: streams.items.incremental.lag: is a distance in time; the cursor is no instant",
        ),
        (
            ("key: id", "incremental: {field: v, start: abc, overlap: 5m}"),
            "5:50: streams.items.incremental.overlap: texts have no distance; leave it out",
        ),
        (("key: id", "json: {a: 1}"), "5:5: streams.items.json: a GET has no body (add `method: POST`)"),
        (
            ("key: id", "method: POST", "json: {limit: {size}}", "pages: {number: 1, size: 5}", 'path: "/{page}"'),
            '6:19: streams.items.json.limit: YAML reads {size} as a map; put it in quotes: "{size}"',
        ),
        (("key: id", "add: {a: '{x}'}"), "5:14: streams.items.add.a: there is no placeholder {x} here"),
        (("key: id", "path: '/a}'"), "5:11: streams.items.path: a lone '}' in '/a}'; write }} for a literal brace"),
        (("key: id", "table: etl_runs"), "5:5: streams.items.table: the name etl_runs is taken by the program itself"),
        (("key: id", "order: {unique: true}"), "5:5: streams.items.order: needs `by`: the field the list is sorted by"),
        (
            ("key: id", "order: {by: id}", "incremental: {field: at, ordered: true}"),
            "6:30: streams.items.incremental.ordered: the list is sorted one way; its order is told twice",
        ),
        (
            ("write: append", "pages: {link: a, ordered: true}"),
            "5:22: streams.items.pages.ordered: the list is sorted by the `key`, and there is none",
        ),
        (("key: id", "add: {_etl_seq: 1}"), "5:21: streams.items.add._etl_seq: no possible name of a column"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_together_is_told(problems: Problems, keys: tuple[str, ...], told: str) -> None:
    """At the key or value that has to change, and nothing else."""
    found = problems(shop=HEAD + "".join(f"    {key}\n" for key in keys))

    assert len(found) == 1
    assert found[0].startswith(f"shop.yaml:{told}")


def test_a_placeholder_from_the_project_s_defaults_is_told_there(problems: Problems) -> None:
    """The line to change is in the other file."""
    told = problems(
        etl='defaults:\n  params: {limit: "{size}"}\n',
        shop="base_url: https://a.example\nstreams:\n  items: {key: id}\n",
    )

    assert told == ["etl.yaml:2:19: defaults.params.limit: {size} needs `pages: {size: ...}`"]


def test_two_streams_of_one_table_are_told(problems: Problems) -> None:
    """`a_b.c` and `a.b_c` land in the same place."""
    told = problems(
        a="base_url: https://a.example\nstreams:\n  b_c: {key: id}\n",
        a_b="base_url: https://a.example\nstreams:\n  c: {key: id}\n",
    )

    assert told == [
        "a_b.yaml:3:3: streams.c.table: writes the table a_b_c, and so does a.b_c (give one of them another `table`)"
    ]


def test_a_table_s_name_over_63_bytes_is_told(problems: Problems) -> None:
    """PostgreSQL would cut it, and two long names could become one."""
    source, stream = "s" * 40, "t" * 30
    told = problems(**{source: f"base_url: https://a.example\nstreams:\n  {stream}: {{key: id}}\n"})

    assert len(told) == 1
    assert told[0].endswith("is longer than 63 bytes (give it a shorter `table`)")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("api.example.org", "should be an absolute URL that begins with https:// or http://"),
        ("ftp://a.example", "should be an absolute URL that begins with https:// or http://"),
        ("https://", "should be an absolute URL that begins with https:// or http://"),
        ("https://a.example:x", "should be an absolute URL that begins with https:// or http://"),
        ("https://a .example", "should be an absolute URL that begins with https:// or http://"),
        ("https://u:p@a.example", "holds credentials (write them under `auth`"),
        ("https://a.example?x=1", "holds a query (write parameters under `params`"),
        ("'https://a.example/{page}'", "holds a brace; placeholders are possible in `path`"),
    ],
)
def test_a_base_url_is_absolute_and_plain(problems: Problems, url: str, told: str) -> None:
    """Where credentials go depends on its origin."""
    (found,) = problems(shop=f"base_url: {url}\nstreams:\n  items: {{key: id}}\n")

    assert found.startswith(f"shop.yaml:1:11: base_url: {told}")


def test_auth_is_exactly_one_way(problems: Problems) -> None:
    """Two would both be sent."""
    told = problems(
        shop="base_url: https://a.example\nauth: {bearer: abcd, header: {X: abcd}}\nstreams:\n  items: {key: id}\n"
    )

    assert told == [
        "shop.yaml:2:1: auth: needs exactly one of bearer, header, query, basic, oauth2, hook; here are bearer, header"
    ]


def test_a_source_s_header_cannot_hold_a_placeholder(problems: Problems) -> None:
    """It would be sent with its braces."""
    told = problems(
        shop='base_url: https://a.example\nheaders: {X: "{page}"}\nstreams:\n  items: {key: id}\n',
    )

    assert told == ["shop.yaml:2:14: headers.X: placeholders are possible in the headers of a stream, not of a source"]


def test_a_time_zone_that_does_not_exist_is_told(problems: Problems) -> None:
    """A schedule would otherwise run at another hour."""
    assert problems(etl="schedule_timezone: Europe/Berln\n") == [
        "etl.yaml:1:20: schedule_timezone: there is no time zone 'Europe/Berln' (write a name such as Europe/Berlin)"
    ]


def test_nested_records_may_bring_fields_of_the_outer_object(configure: Configure) -> None:
    """`{outer.x}` in `add`."""
    settings = configure(
        shop=HEAD + "    key: id\n    records: [pages, revisions]\n    add: {page: '{outer.pageid}'}\n"
    )

    assert settings.streams[0].add[0][1].render({"outer": {"pageid": 7}}) == 7
