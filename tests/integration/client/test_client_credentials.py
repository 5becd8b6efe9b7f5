"""Credentials go to the source's own origin, and to no other place: not to a second host, not into what is kept."""

import pytest

from etl.errors import ForeignHost, SourceFailed
from etl.model.source import Auth
from etl.model.stream import PagesKind

CANARY = "CANARY-8f3a"

AUTHS = [
    Auth(kind="bearer", values=(CANARY,)),
    Auth(kind="basic", values=("user", CANARY)),
    Auth(kind="header", pairs=(("X-Api-Key", CANARY),)),
    Auth(kind="header", pairs=(("Cookie", CANARY),)),
    Auth(kind="header", pairs=(("Authorization", CANARY),)),
    Auth(kind="query", pairs=(("api_key", CANARY),)),
]
MARKS = (CANARY, "dXNlcjpDQU5BUlktOGYzYQ", "OGYzY")


def leaks(text):
    return any(mark in text for mark in MARKS)


@pytest.fixture(params=AUTHS, ids=lambda auth: f"{auth.kind} {auth.pairs[0][0] if auth.pairs else ''}".strip())
def auth(request):
    return request.param


async def test_every_kind_reaches_its_own_source(bench, server, auth):
    """The control: without this the absence elsewhere proves nothing."""
    await bench.fetch(server.url, auth=auth)

    assert leaks(server.seen[0].raw)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_refused(bench, server, serving, wire, auth, status):
    """Nothing at all is sent there."""
    other = await serving()
    server.plays(wire.reply(b"", status, Location=f"{other.url}/steal"))

    with pytest.raises(ForeignHost) as caught:
        await bench.fetch(server.url, auth=auth, headers=(("X-Extra", CANARY),), secrets=[CANARY])

    assert other.seen == []
    assert not leaks(f"{caught.value} {caught.value.hint}")


async def test_an_allowed_host_is_asked_without_credentials(bench, server, serving, wire, auth):
    """A redirect to a storage host: neither auth nor the source's own headers go with it."""
    other = await serving()
    other.plays(wire.reply([1]))
    server.plays(wire.reply(b"", 302, Location=f"{other.url}/part?sig=abc"))

    page = await bench.fetch(
        server.url, auth=auth, headers=(("X-Extra", CANARY),), secrets=[CANARY], allow_hosts=(other.url,)
    )

    assert page.facts.count == 1
    assert other.seen[0].target == "/part?sig=abc"
    assert not leaks(other.seen[0].raw)


async def test_a_next_link_to_another_host_is_refused(bench, server, serving, wire, auth):
    """Token theft by a link in the body."""
    other = await serving()

    with pytest.raises(ForeignHost):
        await bench.fetch(server.url, wire.first(link=f"{other.url}/x"), kind=PagesKind.LINK, auth=auth)

    assert other.seen == server.seen == []


async def test_a_redirect_within_the_source_keeps_the_credentials(bench, server, wire, auth):
    """And is not followed for ever."""
    server.plays(wire.reply(b"", 307, Location="/v2/things?page=1"), wire.reply([1, 2]))

    page = await bench.fetch(server.url, auth=auth)

    assert page.facts.count == 2
    assert leaks(server.seen[1].raw)
    assert not leaks(page.response.url)
    assert page.response.url == f"{server.url}/v2/things?page=1"


async def test_redirects_in_a_circle_end(bench, server, wire):
    """Five are followed."""
    server.plays(wire.reply(b"", 302, Location="/things"))

    with pytest.raises(SourceFailed, match="more than 5 redirects"):
        await bench.fetch(server.url)

    assert len(server.seen) == 6


async def test_see_other_is_fetched_with_get(bench, server, wire):
    """A search that is answered with the place of its result."""
    server.plays(wire.reply(b"", 303, Location="/result"), wire.reply([1]))
    await bench.client(server.url)

    await bench.stream(method="POST", body={"q": 1}).fetch(wire.first())

    assert [(seen.method, seen.body) for seen in server.seen] == [("POST", b'{"q":1}'), ("GET", b"")]


async def test_a_key_in_the_query_is_kept_nowhere(bench, server, wire):
    """The API repeats it in Link, in a header and in the body; the next request carries it again, once."""
    echoed = f"{server.url}/things?api_key={CANARY}&page=2"
    server.plays(wire.reply({"data": [1], "next": echoed}, Link=f'<{echoed}>; rel="next"', X_Next=echoed))
    key = Auth(kind="query", pairs=(("api_key", CANARY),))

    page = await bench.fetch(server.url, auth=key, secrets=[CANARY], kind=PagesKind.LINK)

    assert not leaks(repr(page))
    assert page.response.links["next"] == f"{server.url}/things?page=2"
    for link in (page.facts.next_link, page.response.links["next"]):
        await bench.stream(kind=PagesKind.LINK).fetch(wire.first(link=link))
        assert server.seen[-1].target == f"/things?page=2&api_key={CANARY}"


async def test_a_connection_error_does_not_tell_the_key(bench, server, wire):
    """Libraries put the URL into their messages."""
    key = Auth(kind="query", pairs=(("api_key", CANARY),))
    server.plays(wire.Reply([b"garbage\r\n\r\n"], then="close"))

    with pytest.raises(SourceFailed) as caught:
        await bench.fetch(server.url, auth=key, secrets=[CANARY], retries=0)

    assert not leaks(f"{caught.value.what} {caught.value.why} {caught.value.hint}")


@pytest.mark.parametrize(
    "auth", [Auth(kind="bearer", values=(f"{CANARY}\n",)), Auth(kind="header", pairs=(("X-Key", f"{CANARY}\r\nX: 1"),))]
)
async def test_a_secret_with_a_line_break_is_refused_before_anything_is_sent(bench, server, auth):
    """A secret read from a file with its last newline; it ended in a traceback that showed it."""
    with pytest.raises(SourceFailed, match="cannot be sent") as caught:
        await bench.fetch(server.url, auth=auth)

    assert server.seen == []
    assert not leaks(f"{caught.value} {caught.value.hint}")


async def test_a_secret_written_as_a_parameter_is_kept_nowhere(bench, server, wire):
    """`params: {key: ${TOKEN}}` in place of `auth`: the echo in the next link was stored with the page."""
    echoed = f"{server.url}/things?key={CANARY}&page=2"
    server.plays(wire.reply({"data": [1], "next": echoed}, Link=f'<{echoed}>; rel="next"'))

    params = [("key", CANARY), ("page", "1")]
    page = await bench.fetch(server.url, secrets=[CANARY], kind=PagesKind.LINK, params=params)

    assert server.seen[0].target == f"/things?page=1&key={CANARY}"
    assert not leaks(repr(page))
    for link in (page.facts.next_link, page.response.links["next"]):
        await bench.stream(kind=PagesKind.LINK, params=params).fetch(wire.first(link=link))
        assert server.seen[-1].target == f"/things?page=2&key={CANARY}"


async def test_a_secret_in_the_body_does_not_follow_a_redirect_to_an_allowed_host(bench, server, serving, wire):
    """307 repeats the body; without a secret in it the redirect is followed."""
    other = await serving()
    server.plays(wire.reply(b"", 307, Location=f"{other.url}/part"))
    await bench.client(server.url, secrets=[CANARY], allow_hosts=(other.url,))

    with pytest.raises(ForeignHost, match="the body holds a secret"):
        await bench.stream(method="POST", body={"token": CANARY}).fetch(wire.first())
    assert other.seen == []

    await bench.stream(method="POST", body={"token": "none"}).fetch(wire.first())
    assert other.seen[0].body == b'{"token":"none"}'


async def test_a_secret_parameter_does_not_follow_a_redirect_to_an_allowed_host(bench, server, serving, wire):
    """It is a credential of the source, wherever it is written."""
    other = await serving()
    server.plays(wire.reply(b"", 302, Location=f"{other.url}/part"))

    await bench.fetch(server.url, secrets=[CANARY], params=[("key", CANARY)], allow_hosts=(other.url,))

    assert leaks(server.seen[0].raw)
    assert not leaks(other.seen[0].raw)
