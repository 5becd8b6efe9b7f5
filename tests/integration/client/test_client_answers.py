"""What a client makes of answers that are whole, cut, slow, packed wrongly, or no pages at all."""

import asyncio
import gzip
import json
import logging
import shutil
import ssl
from datetime import UTC, datetime

import pytest

from etl.errors import AuthRefused, DataRefused, GaveUp, RequestRefused, SourceFailed, TooLarge
from etl.model.events import Warned
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind

ITEMS = [{"id": n, "name": f"name {n}"} for n in range(300)]
TEXT = json.dumps(ITEMS).encode()


async def test_a_page_comes_with_all_that_is_known_of_its_answer(bench, server, wire):
    """Status, headers in lower case, the server's time, bytes on the wire, and its number."""
    server.plays(wire.reply(ITEMS, Date="Fri, 02 Jan 2026 03:00:00 GMT", X_Total="300"))

    page = await bench.fetch(server.url, params=[("page", "1")])

    answer = page.response
    assert page.facts.count == 300
    assert (answer.status, answer.seq, answer.wire_bytes) == (200, 1, len(TEXT))
    assert answer.headers["x-total"] == "300"
    assert answer.served_at == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert answer.url == f"{server.url}/things?page=1"
    assert page.failed_tries == ()


async def test_a_server_that_offers_only_its_own_json_type_still_answers(bench, server, wire):
    """Asked for application/json and nothing else, servers of application/vnd.api+json answered 406."""
    server.plays(wire.reply([]))
    await bench.client(server.url)
    await bench.stream().fetch(wire.first())

    wanted = server.seen[0].headers["accept"].split(", ")
    assert wanted[0] == "application/json"
    assert "*/*;q=0.1" in wanted


async def test_the_request_says_who_asks_and_what_for(bench, server, wire):
    """No cookie, no compression that we cannot check, nothing stale."""
    server.plays(wire.reply([], Set_Cookie="session=1"), wire.reply([]))
    await bench.client(server.url)
    await bench.stream().fetch(wire.first())
    await bench.stream().fetch(wire.first())

    headers = server.seen[1].headers
    assert headers["user-agent"].startswith("everypage/")
    assert headers["accept"] == "application/json, */*;q=0.1"
    assert headers["accept-encoding"] == "gzip, identity"
    assert headers["cache-control"] == "no-cache"
    assert not {"cookie", "authorization", "content-type"} & set(headers)


async def test_headers_of_the_source_replace_the_defaults(bench, server):
    """An identified User-Agent; text beyond ASCII is UTF-8."""
    await bench.fetch(server.url, headers=(("user-agent", "my-etl (me@example.org)"), ("X-Name", "Zoë")))

    assert server.seen[0].headers["user-agent"] == "my-etl (me@example.org)"
    assert server.seen[0].headers["x-name"] == "Zoë".encode().decode("latin-1")


@pytest.mark.parametrize(
    "target", ["/v1/a%2Fb?sig=%7E%3A%2C~&x=a+b&y=a%20b&e[]=1", "/v1/%C3%A4?q=%c3%a4", "/v1//double/?a=1&&b="]
)
async def test_a_link_goes_out_byte_for_byte(bench, server, wire, target):
    """Links may be signed over their own spelling."""
    await bench.fetch(server.url, wire.first(link=server.url + target), kind=PagesKind.LINK)

    assert server.seen[0].target == target


async def test_a_body_is_sent_as_json(bench, server, wire):
    """With its length and type."""
    await bench.client(server.url)
    await bench.stream(method="POST", body={"a": 1}).fetch(wire.first())

    seen = server.seen[0]
    assert (seen.method, seen.body, seen.headers["content-type"]) == ("POST", b'{"a":1}', "application/json")


async def test_gzip_is_unpacked_member_by_member(bench, server, wire):
    """The wire carried less than the page holds."""
    packed = gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])
    server.plays(wire.reply(packed, Content_Encoding="gzip"))

    page = await bench.fetch(server.url)

    assert (page.response.body, page.response.wire_bytes) == (TEXT, len(packed))


async def test_a_byte_order_mark_is_no_part_of_the_page(bench, server, wire):
    """Some servers send it."""
    server.plays(wire.reply(b"\xef\xbb\xbf[1]"))

    assert (await bench.fetch(server.url)).response.body == b"[1]"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
async def test_a_body_shorter_than_announced_is_asked_for_again(bench, server, wire, share):
    """Nothing of the cut one is used."""
    whole = wire.reply(ITEMS)
    cut = whole.chunks[0][: len(whole.chunks[0]) - len(TEXT) + int(len(TEXT) * share)]
    server.plays(wire.Reply([cut], then="close"), whole)

    page = await bench.fetch(server.url)

    assert page.facts.count == 300
    assert [failed.reason for failed in page.failed_tries] == ["truncated"]


async def test_no_cut_of_a_body_without_a_length_passes_silently(bench, server, wire):
    """Cut at every 400th byte: the content itself has to tell, and the second try mends it."""
    for length in range(0, len(TEXT), 400):
        server.plays(wire.reply(TEXT[:length], length=False), wire.reply(ITEMS))
        page = await bench.fetch(server.url)
        assert page.facts.count == 300
        assert len(page.failed_tries) == 1


async def test_no_cut_of_a_chunked_body_passes_silently(bench, server, wire):
    """Cut anywhere before the last chunk, also between two whole ones."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = b"5\r\n[1,2,\r\n2\r\n3]\r\n0\r\n\r\n"
    for length in range(len(chunked)):
        server.plays(wire.Reply([head + chunked[:length]], then="close"), wire.Reply([head + chunked]))
        page = await bench.fetch(server.url)
        assert page.facts.count == 3
        assert len(page.failed_tries) == 1, length


async def test_no_cut_of_a_small_gzip_body_passes_silently(bench, server, wire):
    """At every single byte, closed by the connection: the end mark of gzip decides, not the end of the stream."""
    packed = gzip.compress(b"[1, 2, 3]")
    for length in range(len(packed)):
        cut = wire.reply(packed[:length], length=False, Content_Encoding="gzip")
        server.plays(cut, wire.reply(packed, Content_Encoding="gzip"))
        page = await bench.fetch(server.url)
        assert page.facts.count == 3
        assert len(page.failed_tries) == 1, length


async def test_a_cut_gzip_body_without_a_length_is_asked_for_again(bench, server, wire):
    """Its end mark is missing; common libraries take it for whole."""
    packed = gzip.compress(TEXT)
    cut = wire.reply(packed[: len(packed) // 2], length=False, Content_Encoding="gzip")
    server.plays(cut, cut, cut, wire.reply(packed, Content_Encoding="gzip"))

    page = await bench.fetch(server.url)

    assert page.facts.count == 300
    assert [failed.reason for failed in page.failed_tries] == ["truncated"] * 3


async def test_a_drip_feed_ends_at_the_total_deadline(bench, server, wire):
    """Every byte arrives in time, the whole never does."""
    drip = wire.Reply([bytes([byte]) for byte in wire.reply(ITEMS).chunks[0]], gap_s=0.005)
    server.plays(drip, wire.reply(ITEMS))

    page = await bench.fetch(server.url, timeout_s=0.1)

    assert [failed.reason for failed in page.failed_tries] == ["timeout"]
    assert page.facts.count == 300


async def test_silence_ends_at_the_total_deadline(bench, server, wire):
    """After the headers, nothing; the message names the deadline and what to change."""
    server.plays(wire.Reply([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"], then="silence"))

    with pytest.raises(GaveUp, match=r"no whole answer in 0\.05 s") as caught:
        await bench.fetch(server.url, timeout_s=0.05, retries=1)

    assert "limits.timeout" in caught.value.hint
    assert [failed.reason for failed in caught.value.failed_tries] == ["timeout", "timeout"]


async def test_a_kept_connection_that_the_server_closed_is_tried_again_for_free(bench, server, wire):
    """No failed try, no event, no wait."""
    server.plays(wire.reply([1]), wire.Reply(then="close"), wire.reply([2]))
    await bench.client(server.url, concurrency=1)
    await bench.stream().fetch(wire.first())

    page = await bench.stream().fetch(wire.first())

    assert page.failed_tries == ()
    assert (bench.events, bench.clock.slept) == ([], [])
    assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_a_server_that_always_hangs_up_is_given_up(bench, server, wire):
    """One free try, then those that count."""
    server.plays(wire.Reply(then="close"))

    with pytest.raises(GaveUp, match="the server closed the connection"):
        await bench.fetch(server.url, retries=2)

    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1]",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n[]",
    ],
)
async def test_an_answer_that_is_not_http_is_tried_again(bench, server, wire, answer):
    """Never a page, never a crash."""
    server.plays(wire.Reply([answer], then="close"), wire.reply([1, 2]))

    page = await bench.fetch(server.url)

    assert page.facts.count == 2
    assert len(page.failed_tries) == 1


async def test_a_reset_in_the_middle_of_the_body_is_tried_again(bench, server, wire):
    """The rest never comes."""
    server.plays(wire.Reply([wire.reply(ITEMS).chunks[0][:500]], then="reset"), wire.reply(ITEMS))

    page = await bench.fetch(server.url)

    assert page.facts.count == 300
    assert len(page.failed_tries) == 1


async def test_nobody_listening_is_given_up_with_the_address(bench, server, serving):
    """All tries, then exit 4 with a hint."""
    gone = server.url.rsplit(":", 1)[0] + ":1"

    with pytest.raises(GaveUp, match=r"127\.0\.0\.1:1/things: the server could not be reached") as caught:
        await bench.fetch(gone, retries=2)

    assert [failed.reason for failed in caught.value.failed_tries] == ["connect"] * 3
    assert "base_url" in caught.value.hint


async def test_a_dead_server_costs_the_patience_of_one_request(bench, server, wire):
    """A year of slices tried six times each, for more than a minute; what one request found out holds for all."""
    await bench.client(server.url.rsplit(":", 1)[0] + ":1", retries=2)
    tries = []

    for path in ("/a", "/b", "/c"):
        with pytest.raises(GaveUp, match="could not be reached") as caught:
            await bench.stream(path).fetch(wire.first())
        tries.append(len(caught.value.failed_tries))

    assert tries == [3, 1, 1]


@pytest.fixture
async def tls_url(tmp_path, stack):
    """A server whose certificate nobody vouches for."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = await asyncio.create_subprocess_exec(
        *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "1"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await making.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    stack.callback(server.close)
    return f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_certificate_that_nobody_vouches_for_ends_the_run_at_once(bench, tls_url):
    """No fallback and no second try; switched off by hand it is accepted."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side of the broken handshake
    with pytest.raises(SourceFailed, match=r"TLS verification failed") as caught:
        await bench.fetch(tls_url)
    assert type(caught.value) is SourceFailed
    assert bench.clock.slept == []

    assert (await bench.fetch(tls_url, verify_tls=False)).facts.count == 1


async def test_html_with_status_200_is_no_page(bench, server, wire):
    """Asked for twice, in case it was a passing error page; the message shows how it begins."""
    server.plays(wire.reply(b"\n<!doctype html><title>Log in</title>", Content_Type="text/html"))

    with pytest.raises(GaveUp, match="markup instead of JSON") as caught:
        await bench.fetch(server.url)

    assert len(server.seen) == 2
    assert "text/html" in str(caught.value)
    assert "Log in" in caught.value.why


async def test_a_malformed_page_is_repeated_once(bench, server, wire):
    """A second bad answer is what the server has to say."""
    server.plays(wire.reply(b'{"data": '))

    with pytest.raises(GaveUp, match="not JSON"):
        await bench.fetch(server.url)

    assert len(server.seen) == 2


async def test_an_encoding_that_nobody_asked_for_is_an_error(bench, server, wire):
    """Brotli bytes must not be taken for a page."""
    server.plays(wire.reply(b"\x0b\x02\x80[]\x03", Content_Encoding="br"))

    with pytest.raises(GaveUp, match="'br'"):
        await bench.fetch(server.url)


async def test_a_body_beyond_its_cap_is_refused_at_once(bench, server, wire):
    """And a bomb before it is unpacked."""
    server.plays(wire.reply(gzip.compress(b" " * 5_000_000), Content_Encoding="gzip"))

    with pytest.raises(TooLarge, match="100,000 bytes"):
        await bench.fetch(server.url, body=100_000)

    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [202, 204, 206, 300, 302, 304])
async def test_a_success_that_brings_no_page_is_an_error(bench, server, wire, status):
    """No content, a part of it, not modified, a redirect to nowhere."""
    server.plays(wire.reply(b"" if status in (204, 304) else b"[]", status, length=status not in (204, 304)))

    with pytest.raises(RequestRefused, match=f"answered {status}"):
        await bench.fetch(server.url)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthRefused), (403, AuthRefused), (404, RequestRefused), (405, RequestRefused)]
)
async def test_a_refusal_ends_at_the_first_request(bench, server, wire, status, kind):
    """With the URL, the status and how the answer begins, and no secret in any of them."""
    body = b"key SECRETCANARY is not allowed" + b" and so on" * 100
    server.plays(wire.reply(body, status))

    with pytest.raises(kind) as caught:
        await bench.fetch(server.url, params=[("token", "SECRETCANARY")], secrets=["SECRETCANARY"])

    error = caught.value
    assert error.what.startswith(f"GET {server.url}/things answered {status}")
    assert "key *** is not allowed" in error.why
    assert len(error.why) < 260
    assert "CANARY" not in f"{error} {error.hint}"
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [204, 400, 404, 410, 416, 422])
async def test_a_page_past_the_end_is_an_empty_page(bench, server, wire, status):
    """When nobody promised that it exists."""
    server.plays(wire.reply(b"" if status == 204 else b"{}", status, length=status != 204))

    page = await bench.fetch(server.url, wire.first(page=9, ordinal=8, stride=30, may_be_past_end=True))

    assert page.facts.count == 0
    assert page.response.url == f"{server.url}/things"


async def test_a_refusal_at_a_round_depth_is_a_limit_and_no_end(bench, server, wire):
    """GitHub answers 422 at row 10,000: the list goes on, and the hint says what to do."""
    server.plays(wire.reply(b"{}", 422))

    with pytest.raises(RequestRefused) as caught:
        await bench.fetch(server.url, wire.first(page=101, ordinal=100, stride=100, may_be_past_end=True))

    assert "rows after 10,000" in caught.value.hint


async def test_an_undeclared_list_that_looks_paged_is_refused(bench, server, wire):
    """The line to write is in the hint."""
    server.plays(wire.reply([1, 2, 3], Link='<https://x.test/?page=2>; rel="next"'))

    with pytest.raises(DataRefused) as caught:
        await bench.fetch(server.url, kind=PagesKind.UNDECLARED)

    assert "pages: link" in caught.value.hint


@pytest.mark.parametrize(
    ("header", "links"),
    [
        (
            '</things?page=2>; rel="next", <https://x.test/9>; rel="last"',
            {"next": "/things?page=2", "last": "https://x.test/9"},
        ),
        ("", {}),
        ("nonsense", {}),
    ],
)
async def test_link_headers_are_made_absolute(bench, server, wire, header, links):
    """An empty one, as some servers send on the last page, is no link."""
    server.plays(wire.reply([], Link=header))

    found = (await bench.fetch(server.url)).response.links

    assert found == {rel: link if "://" in link else server.url + link for rel, link in links.items()}


async def test_requests_are_numbered_when_they_start(bench, server, wire):
    """A repeated request is newer than the one that failed."""
    server.plays(wire.reply([], 500), wire.reply([]))

    assert (await bench.fetch(server.url)).response.seq == 2


async def test_a_url_that_cannot_be_sent_is_no_crash(bench, server, wire):
    """A control character in a link from the server."""
    with pytest.raises(SourceFailed):
        await bench.fetch(server.url, wire.first(link="/x\x01y"), kind=PagesKind.LINK)

    assert server.seen == []


async def test_unverified_certificates_are_told_in_every_run(bench, server):
    """Nobody should forget that."""
    await bench.fetch(server.url, verify_tls=False)

    assert [event.message for event in bench.of(Warned)] == ["certificates are not verified: verify_tls is off"]


async def test_nothing_is_logged_below_us(bench, server, caplog):
    """HTTP libraries log whole URLs; even at DEBUG the key is in none of them."""
    with caplog.at_level(logging.DEBUG):
        await bench.fetch(server.url, params=[("api_key", "SECRETCANARY")], secrets=["SECRETCANARY"])

    assert "SECRETCANARY" not in caplog.text
    assert "SECRETCANARY" in server.seen[0].target


async def test_proxy_variables_are_not_used_by_default(bench, server, monkeypatch):
    """A dead proxy in the environment does not matter."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert (await bench.fetch(server.url)).facts.count == 0


async def test_a_proxy_of_the_environment_is_used_when_told_so(bench, server, monkeypatch):
    """The control of the test above: with `trust_env` the dead proxy is what answers."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(GaveUp, match="could not be reached"):
        await bench.fetch(server.url, trust_env=True, retries=0)


async def test_head_is_asked_with_the_first_page_only(bench, server, wire):
    """Its Content-Length announces a body that never comes."""
    await bench.client(server.url)
    head = b"HTTP/1.1 200 OK\r\nTotal-Records: 7\r\nContent-Length: 900\r\n\r\n"
    server.plays(lambda seen: wire.Reply([head]) if seen.method == "HEAD" else wire.reply([1]))
    stream = bench.stream(total_rows=Selector(SelectorKind.HEAD, "total-records"))

    page = await stream.fetch(wire.first())
    await stream.fetch(wire.first(ordinal=1))

    assert page.response.head["total-records"] == "7"
    assert [(seen.method, seen.target) for seen in server.seen] == [
        ("GET", "/things"),
        ("HEAD", "/things"),
        ("GET", "/things"),
    ]
