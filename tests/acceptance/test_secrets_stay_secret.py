"""Secrets go to their own source and nowhere else: not to a screen, a log, a table, a traceback or a second host."""

from __future__ import annotations

import base64
import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from sqlalchemy.engine import make_url

CANARIES = {
    "CANARY_AUTH": "cnryAuth/7f3a+b=Z9",
    "CANARY_HEADER": "cnryHeader/51c2+q=",
    "CANARY_PARAM": "cnryParam/88d0+w=x",
    "CANARY_PATH": "cnryPath-2e6b9",
}
DATABASE_PASSWORD = "cnryDatabase-4b1d7"
PROXY_PASSWORD = "cnryProxy-90aa3"
AUTHS = {
    "bearer": '{bearer: "${CANARY_AUTH}"}',
    "basic": '{basic: ["someone", "${CANARY_AUTH}"]}',
    "header": '{header: {X-Api-Key: "${CANARY_AUTH}"}}',
    "query": '{query: {api_key: "${CANARY_AUTH}"}}',
    "body": "none",
}
SOURCE = """\
base_url: URL
auth: AUTH
headers: {X-Tenant: "${CANARY_HEADER}"}
limits: {retries: 1, timeout: 5s}
streams:
  things:
    path: /v1/${CANARY_PATH}/things
    params: {workspace: "${CANARY_PARAM}"}
    records: things
    pages: {link: next}
    key: id
    expect: {max_reject_share: 1}
"""


class Server:
    """Answers as `mode` says, and repeats in its answers whatever it was told, secrets included.

    Pages do not repeat the path's secret: a link that holds one could not be followed without it.
    """

    def __init__(self) -> None:
        self.mode = "ok"
        self.elsewhere = ""
        self.heard: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                server.heard.append(f"{self.path}\n{self.headers}\n{body}")
                server.answer(self, body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def answer(self, handler: BaseHTTPRequestHandler, sent: str) -> None:
        told = f"{self.url}{handler.path.replace(CANARIES['CANARY_PATH'], 'mine')}"
        echo = f"you sent {handler.path} with {dict(handler.headers)} and {sent}"
        head: dict[str, str] = {}
        status, body = 200, {"things": [{"id": 1, "name": "cup", "self": told}], "next": None}
        if self.mode == "pages" and "page=2" not in handler.path:
            body["next"] = f"{told}&page=2"
        elif self.mode == "foreign":
            body["next"] = told.replace(self.url, self.elsewhere) + "&page=2"
        elif self.mode == "redirect":
            status, head = 302, {"Location": self.elsewhere + handler.path}
        elif self.mode == "rejects":
            body["things"].append({"name": "no key", "self": told})
        elif self.mode in ("401", "404", "407", "500"):
            status, body = int(self.mode), {"error": echo}
        elif self.mode == "not json":
            body = None
        payload = (echo if body is None else json.dumps(body)).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(payload)), **head}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(payload)


def forms(secret: str) -> set[bytes]:
    """How a secret may be written on its way."""
    plain = secret.encode()
    bases = {base64.b64encode(plain), base64.b64encode(b"someone:" + plain), base64.urlsafe_b64encode(plain)}
    in_json = json.dumps(secret)[1:-1].replace("/", "\\/").encode()
    spelt = {plain, quote(secret, safe="").encode(), quote(secret).encode(), quote_plus(secret).encode(), in_json}
    return spelt | {base.rstrip(b"=") for base in bases}


FORBIDDEN = {form for secret in (*CANARIES.values(), DATABASE_PASSWORD, PROXY_PASSWORD) for form in forms(secret)}


def found_in(data: bytes) -> list[bytes]:
    return [data[max(0, data.find(form) - 60) : data.find(form) + 60] for form in FORBIDDEN if form in data]


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """The source's own, and one that must never be asked."""
    own, other = Server(), Server()
    own.elsewhere = other.url
    yield own, other
    own.close()
    other.close()


@pytest.fixture
def secretive(project, servers, monkeypatch):
    """A project whose configuration and database URL are full of secrets."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    if not project.database.startswith("sqlite"):
        url = make_url(project.database).set(password=DATABASE_PASSWORD)
        project.database = url.render_as_string(hide_password=False)
    (project.folder / "config" / "shop.yaml").unlink()
    return project


def configure(project, server: Server, auth: str) -> None:
    text = SOURCE.replace("URL", server.url).replace("AUTH", AUTHS[auth], 1)
    if auth == "body":
        text += '    method: POST\n    json: {login: {token: "${CANARY_AUTH}"}, page: 1}\n'
    (project.folder / "config" / "api.yaml").write_text(text, encoding="utf-8")


def stored(project) -> bytes:
    """Every byte of the SQLite files, or every row of every table as text."""
    if project.database.startswith("sqlite"):
        path = Path(project.database.removeprefix("sqlite:///"))
        return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))
    with psycopg.connect(project.database, connect_timeout=10) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [connection.execute(f'SELECT t::text FROM "{name}" t').fetchall() for (name,) in names]
    text = "\n".join(row for table in rows for (row,) in table)
    raw = b"".join(bytes.fromhex(part[: len(part) // 2 * 2]) for part in hexes(text))
    return text.encode() + raw


def hexes(text: str) -> list[str]:
    """The bytea columns of rows shown as text."""
    found = [piece for part in text.split("\\x")[1:] for piece in [part.split('"')[0].split(",")[0].split(")")[0]]]
    return [piece for piece in found if all(letter in "0123456789abcdef" for letter in piece)]


@pytest.mark.parametrize(
    ("database_url", "auth"),
    [*(("sqlite", auth) for auth in AUTHS), ("postgresql", "bearer")],
    indirect=["database_url"],
)
def test_no_secret_is_told_stored_or_sent_elsewhere(secretive, servers, auth) -> None:
    """Each kind of auth, through every end of a run, at every level of every log, and in what is looked up later."""
    own, other = servers
    configure(secretive, own, auth)
    said = []
    for mode, *options in (
        ("ok", "-vv"),
        ("pages", "--json", "-v"),
        ("rejects", "-vv", "--log-format", "json"),
        ("401", "-vv"),
        ("404", "--json"),
        ("500", "-vv", "--log-format", "json"),
        ("not json", "-v"),
        ("redirect", "-vv"),
        ("foreign", "--json", "-vv"),
    ):
        own.mode = mode
        said.append((mode, secretive.here("sync", *options)))
    runs = [str(run) for (run,) in secretive.rows("SELECT run_id FROM etl_runs")]
    assert len(runs) == len(said)
    for command in (
        *(("runs", "show", run, "--json") for run in runs[-2:]), ("runs", "show", runs[0]),
        ("check", "-vv"), ("check", "--json"), ("plan", "--show-config"), ("plan", "--probe", "-vv"),
        ("preview", "api.things", "--curl"), ("preview", "api.things", "-vv"),
        ("runs", "list"), ("runs", "list", "--json"), ("rejects", "list"), ("rejects", "show", "1"),
        ("status",), ("query", "SELECT * FROM etl_pages"), ("query", "SELECT * FROM etl_requests", "-o", "csv"),
        ("query", "SELECT * FROM etl_run_streams", "-o", "json"),
    ):  # fmt: skip
        said.append((" ".join(command), secretive.here(*command)))

    assert [(name, done.err) for name, done in said[9:] if done.code not in (0, 4)] == []
    assert any(form in heard.encode() for form in forms(CANARIES["CANARY_AUTH"]) for heard in own.heard)
    assert [done.code for _, done in said[:3]] == [0, 0, 0], said[:3]
    assert {name: found_in((done.out + done.err).encode()) for name, done in said} == {name: [] for name, _ in said}
    assert found_in(stored(secretive)) == []
    assert other.heard == []


@pytest.mark.parametrize("answer", ["nobody", "407", "no url"])
def test_a_proxy_keeps_its_password(secretive, servers, monkeypatch, answer) -> None:
    """Named by an environment variable, dead, refusing, or misspelt: told, and without what stands before the @."""
    own, other = servers
    configure(secretive, own, "bearer")
    file = secretive.folder / "config" / "api.yaml"
    file.write_text(file.read_text() + "trust_env: true\n")
    place = {"nobody": "127.0.0.1:1", "407": other.url.removeprefix("http://"), "no url": "127.0.0.1:port"}[answer]
    other.mode = "407"
    monkeypatch.setenv("http_proxy", f"http://someone:{PROXY_PASSWORD}@{place}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    done = secretive.here("sync", "-vv")

    assert done.code == 4
    assert "Traceback" not in done.err
    assert found_in((done.out + done.err).encode()) == []
    assert found_in(stored(secretive)) == []


def test_a_traceback_masks_what_it_holds(secretive, servers, monkeypatch) -> None:
    """A bug of this program is told whole, and still without a secret."""
    own, _ = servers
    configure(secretive, own, "bearer")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"it met {CANARIES['CANARY_AUTH']} and {secretive.database} on its way")

    monkeypatch.setattr("etl.service.sync.run_stream", broken)
    done = secretive.here("sync", "-vv")

    assert done.code == 1
    assert "Traceback" in done.err
    assert found_in((done.out + done.err).encode()) == []


def test_the_database_files_are_for_their_owner_alone(lite) -> None:
    """0600, the log and the index of the log too, while a run writes them."""
    lite.slow(0.2)
    path = Path(lite.database.removeprefix("sqlite:///"))
    running = lite.start("sync", "shop.items", "--concurrency", "1")
    lite.until(path.exists, "the database")  # looking into it any sooner would make it
    lite.until_committed(1)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob(path.name + "*")}

    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}
    running.process.kill()
    running.wait()
