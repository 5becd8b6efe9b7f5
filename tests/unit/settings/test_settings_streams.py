"""What the keys of a stream become."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from etl.model.feed import Feed
from etl.model.instants import CursorFormat
from etl.model.schema import ColumnType
from etl.model.selector import Selector, SelectorKind
from etl.model.source import Limits
from etl.model.stream import ColumnChoice, Incremental, Order, PagesKind, Paging, Records, Stream, Write

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure

BODY, HEADER, LINK = SelectorKind.BODY, SelectorKind.HEADER, SelectorKind.LINK


def one(configure: Configure, *keys: str, path: str = "/items") -> Stream:
    """The one stream of a source with these keys beside `path` and `key`."""
    lines = "".join(f"    {key}\n" for key in keys)
    return configure(
        shop=f"base_url: https://a.example\nstreams:\n  items:\n    path: {path}\n    key: id\n{lines}"
    ).streams[0]


@pytest.mark.parametrize(
    ("keys", "paging"),
    [
        ((), Paging(kind=PagesKind.UNDECLARED)),
        (("pages: none",), Paging(kind=PagesKind.NONE)),
        (("pages: link",), Paging(kind=PagesKind.LINK, next=Selector(LINK, "next"))),
        (("pages: {link: meta.next}",), Paging(kind=PagesKind.LINK, next=Selector(BODY, "meta.next"))),
        (
            ('pages: {link: "rel:next", total_rows: "header:X-Total-Count"}',),
            Paging(kind=PagesKind.LINK, next=Selector(LINK, "next"), total_rows=Selector(HEADER, "x-total-count")),
        ),
        (
            ("pages: {number: 0, size: 50, total_pages: pages, cap: 1000}", 'params: {p: "{page}", n: "{size}"}'),
            Paging(kind=PagesKind.NUMBER, first=0, size=50, total_pages=Selector(BODY, "pages"), cap=1000),
        ),
        (
            ("pages: {offset: 0}", 'params: {o: "{offset}"}', "max_pages: 7"),
            Paging(kind=PagesKind.OFFSET, first=0, max_pages=7),
        ),
        (
            ("pages: {cursor: next, first: 1, while: more, inclusive: true}", 'params: {c: "{cursor}"}'),
            Paging(
                kind=PagesKind.CURSOR,
                first=1,
                next=Selector(BODY, "next"),
                more=Selector(BODY, "more"),
                inclusive=True,
            ),
        ),
        (
            ("pages: {cursor: 'data[-1].id', until: done}", 'params: {c: "{cursor}"}'),
            Paging(
                kind=PagesKind.CURSOR,
                next=Selector(BODY, "data[-1].id"),
                more=Selector(BODY, "done"),
                more_means_end=True,
            ),
        ),
        (
            ("pages: {cursor: token, until: repeat}", 'params: {c: "{cursor}"}'),
            Paging(kind=PagesKind.CURSOR, next=Selector(BODY, "token"), until_repeat=True),
        ),
        (
            ("pages: {merge: continue, total_rows: 'head:X-Total'}",),
            Paging(
                kind=PagesKind.CURSOR,
                next=Selector(BODY, "continue"),
                merges=True,
                total_rows=Selector(SelectorKind.HEAD, "x-total"),
            ),
        ),
        (
            (
                "pages: {cursor: 'header:X-Next', first: '{start}'}",
                'params: {c: "{cursor}"}',
                "incremental: {token: seq}",
            ),
            Paging(
                kind=PagesKind.CURSOR,
                next=Selector(SelectorKind.HEADER, "x-next"),
                first="{start}",
                first_is_start=True,
            ),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) and value else "",
)
def test_pages(configure: Configure, keys: tuple[str, ...], paging: Paging) -> None:
    """Every form of `pages`; a missing one is told from `none`."""
    assert one(configure, *keys).pages == paging


@pytest.mark.parametrize(
    ("written", "records"),
    [
        ("data.items", Records(path=Selector(BODY, "data.items"))),
        ("{columns: hourly}", Records(kind="columns", path=Selector(BODY, "hourly"))),
        (
            "{rows: rows, names: columns}",
            Records(kind="rows", path=Selector(BODY, "rows"), names=Selector(BODY, "columns")),
        ),
        ("{map: pages, key: pageid}", Records(kind="map", path=Selector(BODY, "pages"), key_name="pageid")),
        ("[pages, revisions]", Records(kind="nested", path=Selector(BODY, "pages"), inner=Selector(BODY, "revisions"))),
        ("null", Records(path=Selector(BODY, ""))),
    ],
)
def test_records(configure: Configure, written: str, records: Records) -> None:
    """Every form of `records`; without it the whole body."""
    assert one(configure, f"records: {written}").records == records


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("written", "incremental"),
    [
        ("{field: at}", Incremental(field=("at",), format=CursorFormat("iso"))),
        (
            "{field: f.at, start: 1970-01-02, overlap: 1d, lag: 0, delay: 2h}",
            Incremental(
                field=("f", "at"),
                format=CursorFormat("iso"),
                start=86_400_000_000,
                overlap=DAY,
                lag=timedelta(0),
                delay=timedelta(hours=2),
            ),
        ),
        (
            "{field: created, format: unix, start: 1970-01-02, inclusive: true}",
            Incremental(field=("created",), format=CursorFormat("unix"), start=86_400_000_000, inclusive=True),
        ),
        (
            "{field: created, format: unix, start: 86400}",
            Incremental(field=("created",), format=CursorFormat("unix"), start=86_400_000_000),
        ),
        (
            "{field: id, start: 100, step: 50, overlap: 10}",
            Incremental(field=("id",), format=CursorFormat("number"), start=100, step_units=50, overlap_units=10),
        ),
        ("{field: rev, start: r-17}", Incremental(field=("rev",), format=CursorFormat("text"), start="r-17")),
        (
            "{field: at, start: 2024-01-01T00:00:00+02:00, step: 30d}",
            Incremental(
                field=("at",), format=CursorFormat("iso"), start=1_704_060_000_000_000, step=timedelta(days=30)
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_incremental(configure: Configure, written: str, incremental: Incremental) -> None:
    """The format follows `start`: a number, a date or nothing, any other text. `start` becomes a canonical cursor."""
    assert one(configure, f"incremental: {written}", 'params: {a: "{start}", b: "{end}"}').incremental == incremental


def test_the_other_keys(configure: Configure) -> None:
    """Everything that is taken over as it stands."""
    stream = one(
        configure,
        "write: append",
        "table: my_items",
        "columns: {a: bigint, b: drop, c: volatile}",
        "flatten: 2",
        "add: {origin: shop, version: 1.10}",
        "order: {by: [a, b.c], direction: desc, unique: true, immutable: true, append_only: true, collation: binary}",
        "contract: freeze",
        "fail_if: errors",
        "expect: {min_rows: 1, max_reject_share: 0, fresh: 2d, complete: verified}",
        "schedule: every 15m",
        "tags: [hourly]",
    )

    assert (stream.id, stream.table, stream.write, stream.key) == ("shop.items", "my_items", Write.APPEND, (("id",),))
    assert stream.columns == {
        "a": ColumnChoice(type=ColumnType.BIGINT),
        "b": ColumnChoice(drop=True),
        "c": ColumnChoice(volatile=True),
    }
    assert (stream.flatten, stream.contract, stream.fail_if) == (2, "freeze", Selector(BODY, "errors"))
    assert [(name, template.render({})) for name, template in stream.add] == [("origin", "shop"), ("version", "1.10")]
    assert stream.order == Order(
        by=(("a",), ("b", "c")), descending=True, unique=True, immutable=True, append_only=True, binary_collation=True
    )
    assert (stream.expect.min_rows, stream.expect.max_reject_share, stream.expect.complete) == (1, 0.0, "verified")
    assert stream.expect.fresh == timedelta(days=2)
    assert (stream.schedule, stream.tags, stream.line) == ("every 15m", ("hourly",), 3)


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("incremental: {field: meta.changed, ordered: true}", Order(by=(("meta", "changed"),))),
        ("pages: {link: next, ordered: true}", Order(by=(("id",),), unique=True, immutable=True)),
        ("pages: {link: next, ordered: false}", None),
    ],
)
def test_the_two_usual_orders_have_a_short_form(configure: Configure, key: str, order: Order | None) -> None:
    """Sorted by what marks a change, or by the key: no two rows share it, and it never changes."""
    assert one(configure, key).order == order


def test_a_member_that_stands_in_the_file_keeps_its_slash_in_a_path(configure: Configure) -> None:
    """`pallets/flask` are two segments, as the documentation shows them; `str` makes it one."""
    stream = one(configure, "for_each: {repo: [a/b]}", path='"/r/{repo}/{repo:str}"')

    assert stream.request.path.render_path({"repo": "a/b"}) == "/r/a/b/a%2Fb"


def test_values_of_params_are_sent_as_written(configure: Configure) -> None:
    """`1.10` is a version, `True` is how the documentation spells it; a list is a repeated parameter."""
    request = one(configure, "params: {v: 1.10, flag: True, id: [007, 8], gone: null, empty: ''}").request

    assert [(name, template.render({})) for name, template in request.params] == [
        ("v", "1.10"),
        ("flag", "True"),
        ("id", "007"),
        ("id", "8"),
        ("empty", ""),
    ]


def test_a_json_body_keeps_its_types_and_a_graphql_query_its_braces(configure: Configure) -> None:
    """`json.query` has variables for what moves; its braces are its own."""
    request = one(
        configure,
        "method: POST",
        "json:",
        '  query: "query($after: String) { items(first: 100, after: $after) { id } }"',
        '  variables: {after: "{cursor}", deep: [1, 1.5, true, null]}',
        "pages: {cursor: next}",
    ).request

    assert request.method == "POST"
    assert request.json["query"] == "query($after: String) { items(first: 100, after: $after) { id } }"
    assert request.json["variables"]["deep"] == (1, 1.5, True, None)
    assert request.names() == {"cursor"}


def test_defaults_are_joined_nearest_wins(configure: Configure) -> None:
    """Project, source, stream; maps merge one level deep, null removes what is inherited."""
    settings = configure(
        etl="""\
        defaults:
          limits: {timeout: 10s, retries: 2}
          contract: freeze
          params: {a: project, b: project}
        """,
        shop="""\
        base_url: https://a.example/v1/
        headers: {X-A: 1.10}
        limits: {retries: 3, rate: 600/min}
        schedule: every 1h
        defaults:
          params: {b: source, c: source, page: "{page}"}
          pages: {number: 1, size: 10, total_rows: total}
          key: id
        streams:
          items: {params: {c: stream}, pages: {size: 20}, contract: null}
          others: {params: {page: null}, pages: none, schedule: "0 6 * * *", headers: {X-B: "{{x}}"}}
        """,
    )
    source, (items, others) = settings.sources["shop"], settings.streams

    assert source.limits == Limits(timeout=timedelta(seconds=10), retries=3, rate=10.0)
    assert (source.base_url, source.headers) == ("https://a.example/v1", (("X-A", "1.10"),))
    assert {name: template.render({"page": 5}) for name, template in items.request.params} == {
        "a": "project",
        "b": "source",
        "c": "stream",
        "page": 5,
    }
    assert items.pages == Paging(kind=PagesKind.NUMBER, first=1, size=20, total_rows=Selector(BODY, "total"))
    assert (items.contract, items.schedule) == ("evolve", "every 1h")
    assert (others.pages.kind, others.schedule) == (PagesKind.NONE, "0 6 * * *")
    assert others.request.headers[0][1].render({}) == "{x}"
    assert settings.written["shop.others"]["params"] == {"a": "project", "b": "source", "c": "source"}


def test_a_column_choice_of_the_defaults_is_removed_by_null(configure: Configure) -> None:
    """`columns: {big: null}` was refused, although null removes what is inherited everywhere else."""
    settings = configure(
        shop="""\
        base_url: https://a.example/v1
        defaults: {key: id, pages: none, columns: {big: numeric, seen: drop}}
        streams:
          items: {columns: {big: null}}
        """,
    )

    assert dict(settings.streams[0].columns) == {"seen": ColumnChoice(drop=True)}


def test_a_source_s_own_keys(configure: Configure) -> None:
    """Auth, limits and hosts as the client wants them."""
    source = configure(
        shop="""\
        base_url: http://a.example:8080
        auth: {query: {api_key: abcdef}}
        limits: {rate: 5000/h, burst: 3, concurrency: 2, timeout: 1m30s, body: 1MiB, record: 1000}
        allow_hosts: [cdn.example]
        verify_tls: false
        trust_env: true
        streams:
          items: {key: id}
        """
    ).sources["shop"]

    assert (source.auth.kind, source.auth.pairs) == ("query", (("api_key", "abcdef"),))
    assert source.limits.rate == pytest.approx(5000 / 3600)
    assert (source.limits.burst, source.limits.concurrency, source.limits.timeout) == (3, 2, timedelta(seconds=90))
    assert (source.limits.body, source.limits.record) == (1048576, 1000)
    assert (source.allow_hosts, source.verify_tls, source.trust_env) == (("cdn.example",), False, True)


@pytest.mark.parametrize(
    ("keys", "grant"), [("client_secret: b", "client_credentials"), ("refresh_token: c", "refresh_token")]
)
def test_what_is_given_tells_the_grant(configure: Configure, keys: str, grant: str) -> None:
    """A refresh token is of use for one grant only."""
    oauth2 = f"oauth2: {{token_url: https://a.example/t, client_id: a, {keys}}}"
    shop = f"base_url: https://a.example\nauth:\n  {oauth2}\nstreams:\n  items: {{key: id}}\n"
    found = configure(shop=shop).sources["shop"].auth.oauth2

    assert found is not None
    assert found.grant == grant


def test_the_project_s_own_keys(configure: Configure) -> None:
    """And its defaults where a key is absent."""
    project = configure(etl="schedule_timezone: Europe/Berlin\nserve: {port: 0}\n").project

    assert (str(project.timezone), project.serve_host, project.serve_port) == ("Europe/Berlin", "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("keys", "feed"),
    [
        (
            ("incremental: {token: last_seq, start: 0}", "pages: none"),
            Feed(token=Selector(BODY, "last_seq"), start="0"),
        ),
        (
            ("incremental: {token: 'header:ETag', from: first}", "pages: link"),
            Feed(token=Selector(SelectorKind.HEADER, "etag"), of_first=True),
        ),
        (
            ("incremental: {token: sync}", "pages: {number: 1}", 'headers: {P: "{page}"}'),
            Feed(token=Selector(BODY, "sync"), of_first=True),
        ),
    ],
)
def test_a_token_makes_a_stream_a_feed(configure: Configure, keys: tuple[str, ...], feed: Feed) -> None:
    """Numbered pages are asked for side by side, so that only the first one's token is safe."""
    stream = one(configure, 'params: {since: "{start}"}', *keys)

    assert (stream.feed, stream.incremental) == (feed, None)
