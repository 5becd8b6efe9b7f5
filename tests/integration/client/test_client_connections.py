"""Connections: when one is used again, what ends it, and the way through a proxy."""

import asyncio
import contextlib
import shutil
import ssl

import pytest

from etl.errors import GaveUp


async def test_a_connection_is_used_again(bench, server, wire):
    """Also after a refusal whose text nobody needs: it was read to its end."""
    server.plays(wire.reply([1]), wire.reply(b"no", 500), wire.reply([2]), wire.reply([3]))
    await bench.client(server.url)

    for _ in range(3):
        await bench.stream().fetch(wire.first())

    assert [seen.connection for seen in server.seen] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "extra",
    [{"Connection": "close"}, {"length": False}, {"then": "close"}],
    ids=["says so", "ends with its connection", "hangs up"],
)
async def test_a_connection_that_the_server_ends_is_not_used_again(bench, server, wire, extra):
    """Whether it says so beforehand or not; none of it costs a try."""
    server.plays(wire.reply([1], **extra))
    await bench.client(server.url, concurrency=1)

    pages = [await bench.stream().fetch(wire.first()) for _ in range(3)]

    assert [page.failed_tries for page in pages] == [()] * 3
    assert len({seen.connection for seen in server.seen}) == 3


async def test_an_answer_that_nobody_asked_for_reaches_no_other_request(bench, server, wire):
    """A second answer behind the first would be taken for that of the next page."""
    server.plays(wire.Reply([wire.reply([1]).chunks[0] + wire.reply([666]).chunks[0]]), wire.reply([2]))
    await bench.client(server.url, concurrency=1)

    pages = [await bench.stream().fetch(wire.first()) for _ in range(2)]

    assert [page.block.rows for page in pages] == [[(1,)], [(2,)]]
    assert [seen.connection for seen in server.seen] == [1, 2]


async def test_interim_answers_are_passed_over(bench, server, wire):
    """100 and 103 come before the answer proper, and their headers are not its own."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>; rel=next\r\n\r\n"
    server.plays(wire.Reply([interim + wire.reply([1]).chunks[0]]))

    page = await bench.fetch(server.url)

    assert (page.facts.count, page.response.status, page.response.links) == (1, 200, {})


async def test_an_answer_in_pieces_is_put_together(bench, server, wire):
    """Cut inside the status line, a header, a chunk's size and its data, and a trailer."""
    whole = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long: value\r\n\r\n"
        b"4\r\n[1, \r\n4;ext=1\r\n2,3]\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    for share in (5, 20, 50):
        server.plays(wire.Reply([whole[at : at + share] for at in range(0, len(whole), share)], gap_s=0.001))

        page = await bench.fetch(server.url)

        assert page.block.rows == [(1,), (2,), (3,)]
        assert "x-trailer" not in page.response.headers


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 100,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100,
    ],
    ids=["interim answers", "trailer", "head"],
)
async def test_a_head_without_end_is_cut_off(bench, server, wire, head):
    """Memory and time are bounded, whatever the server sends; each would go on for 100 MB."""
    repeated = head if head.startswith(b"HTTP/1.1 103") else b"a" * 1_000
    server.plays(wire.Reply([head, *(repeated * 100 for _ in range(1_000))], then="close"))

    with pytest.raises(GaveUp, match="not HTTP"):
        await bench.fetch(server.url, retries=0, timeout_s=60)


async def test_a_slow_taker_makes_the_server_wait(bench, stack):
    """50 MB with nobody reading stay on the wire; taken at last, they are whole."""
    size = 50_000_000
    sent = []

    async def send(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(50):
            writer.write(b" " * (size // 50))
            await writer.drain()
            sent.append(size // 50)
        await reader.read()

    port = await listening(stack, send)
    await bench.client(f"http://127.0.0.1:{port}", body=100_000_000, timeout_s=60)
    transport = bench.source._wiring.transport
    answer = await transport.handle_async_request(bench.request(f"http://127.0.0.1:{port}"))
    held = await _settled(sent)

    body = [len(piece) async for piece in answer.stream]
    await answer.aclose()

    assert held < size // 2
    assert sum(body) == size


async def _settled(sent):
    """What was sent when the sender has come to rest."""
    before = -1
    while before != len(sent):
        before = len(sent)
        await asyncio.sleep(0.05)
    return sum(sent)


async def test_200_requests_at_once_share_200_connections(bench, server, wire):
    """Three rounds: none is opened anew, none waits for another."""
    server.plays(wire.reply([1] * 50))
    await bench.client(server.url, concurrency=200)

    for _ in range(3):
        pages = await asyncio.gather(*(bench.stream().fetch(wire.first()) for _ in range(200)))
        assert [page.facts.count for page in pages] == [50] * 200

    assert server.connections <= 200


async def listening(stack, handle, **more):
    """The port of a server whose connections all end with the test."""
    tasks, writers = set(), []

    async def handled(reader, writer):
        tasks.add(asyncio.current_task())
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)

    async def end():
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = await asyncio.start_server(handled, "127.0.0.1", 0, **more)
    stack.push_async_callback(end)
    return server.sockets[0].getsockname()[1]


async def test_an_answer_to_head_has_no_body(bench, server, wire):
    """It announces one all the same; waiting for it would take until the deadline."""
    server.plays(wire.Reply([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"]), wire.reply([1]))
    await bench.client(server.url)
    transport = bench.source._wiring.transport

    answer = await transport.handle_async_request(bench.request(server.url, "HEAD"))
    body = [piece async for piece in answer.stream]
    await answer.aclose()

    assert (answer.status_code, body) == (200, [])
    assert (await bench.stream().fetch(wire.first())).facts.count == 1


class Proxy:
    """Speaks for clients: forwards absolute targets, and opens tunnels."""

    def __init__(self):
        self.asked = []
        self.refuses = False

    async def serve(self, stack):
        return f"127.0.0.1:{await listening(stack, self._handle)}"

    async def _handle(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.decode())
        method, target, _ = self.asked[-1].split(" ", 2)
        if self.refuses:
            writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, port = place.rsplit(":", 1)
        inside, outside = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            outside.write(head)
        try:
            await asyncio.gather(self._pump(reader, outside), self._pump(inside, writer))
        finally:
            outside.transport.abort()

    @staticmethod
    async def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.close()


@pytest.fixture
def proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return Proxy()


async def test_plain_requests_go_through_the_proxy_of_the_environment(bench, server, wire, proxy, stack, monkeypatch):
    """With the whole URL as target, byte for byte, and the proxy's own credentials."""
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{await proxy.serve(stack)}")
    server.plays(wire.reply([1]))

    page = await bench.fetch(server.url, params=[("q", "a~b")], trust_env=True)

    assert page.facts.count == 1
    assert proxy.asked[0].startswith(f"GET {server.url}/things?q=a~b HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in proxy.asked[0]


async def test_hosts_in_no_proxy_are_asked_directly(bench, server, wire, proxy, stack, monkeypatch):
    """As curl does."""
    monkeypatch.setenv("http_proxy", f"http://{await proxy.serve(stack)}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.plays(wire.reply([1]))

    await bench.fetch(server.url, trust_env=True)

    assert (proxy.asked, len(server.seen)) == ([], 1)


@pytest.fixture
async def trusted(tmp_path, stack, monkeypatch):
    """A server with TLS that the environment vouches for, on `localhost`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = await asyncio.create_subprocess_exec(
        *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "1"),
        *("-addext", "subjectAltName=DNS:localhost"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await making.wait() == 0
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heads = []

    async def answer(reader, writer):
        while True:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]")
            await writer.drain()

    return await listening(stack, answer, ssl=context), heads


async def test_https_goes_through_a_tunnel(bench, proxy, stack, monkeypatch, trusted, wire):
    """The proxy sees the host and nothing else; the tunnel is kept like any connection."""
    port, heads = trusted
    monkeypatch.setenv("https_proxy", await proxy.serve(stack))
    await bench.client(f"https://localhost:{port}", trust_env=True, headers=(("X-Secret", "CANARY"),))

    pages = [await bench.stream().fetch(wire.first()) for _ in range(2)]

    assert [page.facts.count for page in pages] == [1, 1]
    assert proxy.asked == [f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"]
    assert [head.split(" ")[1] for head in heads] == ["/things", "/things"]


async def test_a_proxy_that_refuses_is_named(bench, proxy, stack, monkeypatch, trusted):
    """Its status says what it wants."""
    port, heads = trusted
    proxy.refuses = True
    monkeypatch.setenv("https_proxy", await proxy.serve(stack))

    with pytest.raises(GaveUp, match="the proxy does not let us through") as caught:
        await bench.fetch(f"https://localhost:{port}", trust_env=True, retries=0)

    assert "407" in caught.value.why
    assert heads == []


async def test_certificates_are_checked_against_the_name_and_not_the_address(bench, trusted, wire):
    """The second connection goes to the address that the first one found, and still asks for the name's certificate."""
    port, _ = trusted
    await bench.client(f"https://localhost:{port}", trust_env=True, concurrency=4)

    pages = await asyncio.gather(*(bench.stream().fetch(wire.first()) for _ in range(4)))
    assert [page.facts.count for page in pages] == [1] * 4

    with pytest.raises(Exception, match="TLS verification failed"):
        await bench.fetch(f"https://127.0.0.1:{port}", trust_env=True)


async def test_a_socks_proxy_is_refused_with_a_reason(bench, proxy, monkeypatch, server):
    """Never silently passed by: the request would show itself to the network that the proxy hides it from."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")

    with pytest.raises(GaveUp, match="cannot be used"):
        await bench.fetch(server.url, trust_env=True, retries=0)

    assert server.seen == []
