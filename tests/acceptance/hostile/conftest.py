"""A server that puts any bytes on the wire, and a project whose streams read from it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.conftest import Done, Project

Answer = bytes | Callable[[str], bytes]


@dataclass
class Wires:
    """`answers` are whole responses, by path; a function gets the target. Anything else is a 404 that closes."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def response(self, target: str) -> bytes:
        self.asked.append(target)
        answer = self.answers.get(target.partition("?")[0], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return answer(target) if callable(answer) else answer


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole and honest response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Handler(socketserver.StreamRequestHandler):
    """Reads requests and plays what the wires say."""

    def handle(self) -> None:
        assert isinstance(self.server, Server)
        wires = self.server.wires
        try:
            while first := self.rfile.readline(65_536):
                length = 0
                while (line := self.rfile.readline(65_536)) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                self.rfile.read(length)
                response = wires.response(first.split()[1].decode("latin-1"))
                self.wfile.write(response)
                if _closes(response):
                    return
        except (ConnectionError, TimeoutError):
            return


def _closes(response: bytes) -> bool:
    """Nothing but a head with an honest length keeps the connection: garbage must not be waited for."""
    head, _, body = response.partition(b"\r\n\r\n")
    return f"content-length: {len(body)}".encode() not in head.lower()


class Server(socketserver.ThreadingTCPServer):
    """A thread a connection."""

    allow_reuse_address = True
    daemon_threads = True
    wires: Wires


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    with Server(("127.0.0.1", 0), Handler) as server:
        server.wires = made
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join(10)


class Hostile:
    """A project with one source `api` that the wires play."""

    def __init__(self, project: Project, wires: Wires) -> None:
        self.project = project
        self.wires = wires
        self.is_lite = project.database.startswith("sqlite")
        (project.folder / "config" / "shop.yaml").unlink()

    def streams(self, text: str, *, limits: str = "{retries: 0, timeout: 5s}") -> None:
        """The lines below `streams:`."""
        indented = "".join(f"  {line}\n" for line in text.strip("\n").splitlines())
        file = self.project.folder / "config" / "api.yaml"
        file.write_text(f"base_url: {self.wires.url}\nlimits: {limits}\nstreams:\n{indented}", encoding="utf-8")

    def sync(self, *options: str) -> Done:
        done = self.project.here("sync", "--json", *options)
        assert "Traceback" not in done.err, done.err
        assert done.code != 1, done.err
        return done

    def rejects(self) -> list[tuple[str, str]]:
        """Stream and reason of each."""
        return [
            (str(stream), str(reason))
            for stream, reason in self.project.rows("SELECT stream, reason FROM etl_rejects ORDER BY 1, 2")
        ]


@pytest.fixture
def hostile(project: Project, wires: Wires) -> Hostile:
    """On SQLite and on PostgreSQL."""
    return Hostile(project, wires)


@pytest.fixture
def hostile_lite(lite: Project, wires: Wires) -> Hostile:
    """On SQLite alone."""
    return Hostile(lite, wires)
