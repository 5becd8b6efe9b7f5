"""How the bundled API starts, speaks HTTP, and stops: in a task, in a thread, and as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.settings import load
from etl.testing import Fault, ServerThread, serve
from etl.testing.demo import FIRST_SYNC, QUERY, demo_api, files


async def ask(url: str, data: bytes, answers: int) -> list[bytes]:
    """Send bytes as they are, and read so many answers with their announced length."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    found = []
    async with asyncio.timeout(5):
        for _ in range(answers):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            found.append(head + await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()
    return found


async def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    """Three requests in one packet: three answers, the second one slow."""
    async with serve(port=0, items=30, orders=0) as api:
        lines = [f"GET /api/items?page={page} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for page in range(3)]
        lines[1] = lines[1].replace(b"page=1", b"page=1&latency=10ms")

        answers = await ask(api.url, b"".join(lines), 3)

    assert [json.loads(answer.partition(b"\r\n\r\n")[2])["page"] for answer in answers] == [0, 1, 2]


async def test_a_request_may_arrive_in_pieces() -> None:
    """Head and body are put together before anything is answered."""
    async with serve(port=0, items=30, orders=0) as api:
        host, port = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = b'{"page": 2, "size": 10}'
        head = f"POST /lists/search/page HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for piece in (head[:9], head[9:-1], head[-1:] + body[:5], body[5:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert api.requests[0].call.json == {"page": 2, "size": 10}


@pytest.mark.parametrize(
    "nonsense",
    [
        b"x" * 70_000,
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["a head without end", "a length that is no number", "a body in chunks"],
)
async def test_what_is_no_request_is_refused(nonsense: bytes) -> None:
    """400, and the connection is closed; memory does not grow with it."""
    async with serve(port=0, items=1, orders=0) as api:
        answers = await ask(api.url, nonsense, 1)

    assert answers[0].startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_wants_the_connection_closed_gets_it_closed() -> None:
    """`Connection: close` ends the stream after the answer."""
    async with serve(port=0, items=1, orders=0) as api:
        host, port = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /api/items HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(5):
            whole = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert whole.endswith(b'"totalItems":1}')


async def test_the_port_is_free_again_after_the_block() -> None:
    """Open connections, a stalled answer among them, do not keep the server alive."""
    async with serve(port=0, items=1, orders=0) as api:
        host, port = api.url.removeprefix("http://").split(":")
        api.script("/api/items", [Fault.stall()])
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /api/items HTTP/1.1\r\nHost: x\r\n\r\n")
        while not api.requests:
            await asyncio.sleep(0.001)
    writer.close()

    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=1).close()


async def test_a_port_that_is_taken_is_an_error() -> None:
    """The second server on a port does not start."""
    async with serve(port=0, items=1, orders=0) as api:
        with pytest.raises(OSError):
            async with serve(port=int(api.url.rpartition(":")[2]), items=1, orders=0):
                pytest.fail("two servers on one port")


def test_a_thread_serves_tests_without_a_loop() -> None:
    """Requests, scripts and the clock work from outside, and the thread is gone afterwards."""
    with ServerThread(items=20, orders=10, customers=2) as api:
        api.script("/api/items", [Fault.status(503)])
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{api.url}/api/items")
        refused.value.close()
        changed = api.advance(deletes=1)
        with urllib.request.urlopen(f"{api.url}/api/items?pageSize=100") as answer:
            body = json.load(answer)

        assert len(changed["items"].deleted) == 1
        assert body["items"] == api.call(lambda server: server.truth("/api/items"))
        assert (api.count(status=503), api.count("/api/items")) == (1, 2)

    with pytest.raises(OSError):
        urllib.request.urlopen(f"{api.url}/", timeout=1)


def test_a_thread_raises_what_kept_it_from_starting() -> None:
    """A taken port is reported where the thread was started."""
    with ServerThread(items=1, orders=0) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError), ServerThread(items=1, orders=0, port=port):
            pytest.fail("two servers on one port")


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m etl.testing` on a free port, and the line it printed."""
    command = [sys.executable, "-m", "etl.testing", "--port", "0", "--orders", "50", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline()
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_listens_and_stops_on_a_signal(number: signal.Signals) -> None:
    """One line on stdout, exit 0, nothing on stderr."""
    with process("--items", "12") as (running, line):
        url = line.split()[3]
        with urllib.request.urlopen(f"{url}/api/items") as answer:
            total = json.load(answer)["totalItems"]
        running.send_signal(number)
        out, err = running.communicate(timeout=10)

    assert line == f"Bundled API at {url} (12 items, 50 orders, 900 customers; faults: none)\n"
    assert (total, running.returncode, out, err) == (12, 0, "", "")


def test_the_process_names_a_port_that_is_taken() -> None:
    """Exit 2 and one line, no traceback."""
    with ServerThread(items=1, orders=0) as api:
        with process("--port", api.url.rpartition(":")[2]) as (running, line):
            _, err = running.communicate(timeout=10)

        assert (line, running.returncode) == ("", 2)
        assert err.startswith(f"cannot listen on {api.url.removeprefix('http://')}: ")


@pytest.mark.parametrize("wrong", [("--latency", "5"), ("--items", "-1"), ("--faults", "all")])
def test_the_process_refuses_a_wrong_command_line(wrong: tuple[str, str]) -> None:
    """Exit 2, with what is wrong on stderr."""
    with process(*wrong) as (running, line):
        _, err = running.communicate(timeout=10)

    assert (line, running.returncode) == ("", 2)
    assert f"argument {wrong[0]}: " in err


async def test_the_demo_serves_what_its_story_says() -> None:
    """12,400 orders, three of them bad, 900 customers; the configuration points at the port."""
    async with demo_api(fast=True, faults="none") as api:
        texts = files(api.url)

        assert (len(api.state.orders), len(api.state.customers), len(api.state.bad_orders)) == (12_400, 900, 3)
        assert f"base_url: {api.url}/api\n" in texts["shop.yaml"]
        assert texts["etl.yaml"] == "database: sqlite:///data.db\n"
        assert "shop_orders" in QUERY


def test_the_example_of_the_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The code in the how-to prints what its comments say."""
    guide = Path(__file__).parents[2] / "docs/how-to/test-against-the-bundled-api.md"
    code = guide.read_text().split("```python\n")[1].split("```")[0]

    exec(compile(code, str(guide), "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "HTTP Error 503: Service Unavailable"
    assert printed[1].startswith("Changed(updated=(")
    assert printed[2:] == ["1", "50"]


def test_the_configurations_name_lists_that_exist(tmp_path: Path) -> None:
    """Every stream of the demo, and of the source that ships in `config/`, finds its records and its totals."""
    for name, text in files("http://127.0.0.1:8808").items():
        (tmp_path / name).write_text(text)
    streams = [*load(tmp_path, environ={}).streams, *load(Path(__file__).parents[2] / "config", environ={}).streams]

    with ServerThread(items=3, orders=3, customers=3) as api:
        for stream in streams:
            with urllib.request.urlopen(f"{api.url}/api/{stream.name}") as answer:
                body = json.load(answer)
            assert len(body[stream.records.path.path]) == 3, stream.id
            assert stream.pages.total_rows is not None
            assert body[stream.pages.total_rows.path] == 3, stream.id

    assert [stream.id for stream in streams[:2]] == list(FIRST_SYNC)
