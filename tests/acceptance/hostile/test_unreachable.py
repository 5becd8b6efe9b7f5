"""Sources that are not there, or not yet."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import pytest

from tests.acceptance.conftest import Project
from tests.acceptance.hostile.conftest import Handler, Server, Wires, http

SOURCE = """\
base_url: {url}
limits: {{retries: {retries}, timeout: 5s}}
streams:
  things: {{path: /things, records: data, pages: none, key: id}}
"""


def configure(project: Project, url: str, *, retries: int, name: str = "shop") -> None:
    text = SOURCE.format(url=url, retries=retries)
    (project.folder / "config" / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_source_that_cannot_be_reached_is_named(lite: Project) -> None:
    """A name that does not exist, and a port where nobody listens: exit 4 after the tries, with the host and a hint."""
    configure(lite, "http://nobody.invalid", retries=1, name="unnamed")
    configure(lite, "http://127.0.0.1:1", retries=1, name="closed")
    (lite.folder / "config" / "shop.yaml").unlink()

    done = lite.here("sync", "--json")

    told = {line["stream"]: line["reason"] for line in done.json["streams"]}
    assert done.code == 4
    assert "nobody.invalid" in told["unnamed.things"]
    assert "127.0.0.1:1" in told["closed.things"]
    assert all("tried 2 times" in reason for reason in told.values())
    assert "is the server running" in done.err


def test_a_source_that_comes_up_during_the_run_is_read(lite: Project) -> None:
    """The first try finds nobody; the server listens half a second later."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    configure(lite, f"http://127.0.0.1:{port}", retries=8)
    started: list[Server] = []

    def start() -> None:
        server = Server(("127.0.0.1", port), Handler)
        server.wires = Wires(answers={"/things": http(b'{"data":[{"id":1}]}')})
        started.append(server)
        server.serve_forever(0.01)

    timer = threading.Timer(0.5, start)
    timer.start()
    try:
        done = lite.here("sync", "--json")
    finally:
        timer.join(0.1)
        for server in started:
            server.shutdown()
            server.server_close()

    assert done.code == 0, done.err
    assert lite.rows("SELECT id FROM shop_things") == [(1,)]


def test_an_address_that_answers_nothing_ends_at_the_deadline(lite: Project) -> None:
    """A full backlog swallows the handshake, as a firewall does: no connection, no refusal, and yet an end."""
    with socket.socket() as silent, ExitStack() as waiting:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(silent.getsockname())
        configure(lite, f"http://127.0.0.1:{silent.getsockname()[1]}", retries=0)
        text = (lite.folder / "config" / "shop.yaml").read_text(encoding="utf-8")
        (lite.folder / "config" / "shop.yaml").write_text(text.replace("5s", "500ms"), encoding="utf-8")

        done = lite.here("sync", "--json")

    assert done.code == 4
    assert "127.0.0.1" in done.json["streams"][0]["reason"]
    assert "0.5 s" in done.json["streams"][0]["reason"]


def test_a_name_whose_first_address_is_dead_is_reached_by_its_second(
    lite: Project, wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6 is announced and does not work: the run goes on by IPv4."""
    real = socket.getaddrinfo

    def both(host: object, port: object, *rest: object, **named: object) -> list[object]:
        if host != "both.test":
            return real(host, port, *rest, **named)  # type: ignore[arg-type, return-value]
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)), four]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    wires.answers["/things"] = http(b'{"data":[{"id":1}]}')
    configure(lite, wires.url.replace("127.0.0.1", "both.test"), retries=0)

    done = lite.here("sync", "--json")

    assert done.code == 0, done.err
    assert lite.rows("SELECT id FROM shop_things") == [(1,)]
