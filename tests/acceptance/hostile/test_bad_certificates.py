"""Certificates that do not hold: nothing is sent, nothing is tried again, and no fallback is taken."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import Project
from tests.acceptance.hostile.conftest import Handler, Server, Wires, http

BAD = {"expired": ("-1", "IP:127.0.0.1"), "other_name": ("1", "DNS:elsewhere.example")}
SOURCE = """\
base_url: https://127.0.0.1:{port}
trust_env: true
limits: {{retries: 3, timeout: 5s}}
streams:
  things: {{path: /things, records: data, pages: none, key: id}}
"""


class _TlsServer(Server):
    """Shakes hands in the thread of the connection; a client that does not like the certificate just goes away."""

    context: ssl.SSLContext

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            return


class Authority:
    """Issues certificates by the openssl command; the environment vouches for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=authority -days 2"
            " -keyout ca.key -out ca.pem"
        )
        self._openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server"
            " -keyout server.key -out server.csr"
        )

    def context(self, name: str, days: str, names: str) -> ssl.SSLContext:
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        self._openssl(
            f"x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile names"
            f" -out {name}.pem"
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / "server.key")
        return context

    def _openssl(self, arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def served(lite: Project, wires: Wires, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Three sources: `good`, `expired` and `other_name`."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    (lite.folder / "config" / "shop.yaml").unlink()
    wires.answers["/things"] = http(b'{"data":[{"id":1}]}')
    with ExitStack() as stack:
        for name, (days, names) in {"good": ("1", "IP:127.0.0.1"), **BAD}.items():
            server = stack.enter_context(_TlsServer(("127.0.0.1", 0), Handler))
            server.wires, server.context = wires, authority.context(name, days, names)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            (lite.folder / "config" / f"{name}.yaml").write_text(SOURCE.format(port=server.server_address[1]))
        yield lite


def test_a_certificate_that_does_not_hold_ends_the_stream_before_anything_is_sent(
    served: Project, wires: Wires
) -> None:
    """Expired, or for another host: the host is named, there is one attempt, and the other sources are read."""
    done = served.here("sync", "--json")

    told = {line["stream"]: line for line in done.json["streams"]}
    assert done.code == 3
    assert told["good.things"]["status"] == "succeeded"
    for name, words in {"expired.things": "expired", "other_name.things": "not valid for '127.0.0.1'"}.items():
        assert told[name]["status"] == "failed"
        assert "https://127.0.0.1:" in told[name]["reason"]
        assert "TLS verification failed" in told[name]["reason"]
        assert words in told[name]["reason"]
        assert told[name]["retries"] == 0
    assert wires.asked == ["/things"]


def test_without_verification_every_run_warns(served: Project) -> None:
    """`verify_tls: false` accepts them, and nobody can forget that it does."""
    for name in BAD:
        file = served.folder / "config" / f"{name}.yaml"
        file.write_text(file.read_text() + "verify_tls: false\n")

    for _ in range(2):
        done = served.here("sync")

        assert done.code == 0
        assert done.err.count("certificates are not verified") == len(BAD)


def test_a_server_that_knows_only_tls_1_0_is_refused(served: Project, wires: Wires, tmp_path: Path) -> None:
    """No fallback to what can be broken: the host is named, and the request is never sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "good.pem", tmp_path / "server.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
    with _TlsServer(("127.0.0.1", 0), Handler) as server:
        server.wires, server.context = wires, context
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        (served.folder / "config" / "old.yaml").write_text(SOURCE.format(port=server.server_address[1]))
        done = served.here("sync", "old.things", "--json")
        server.shutdown()

    (line,) = done.json["streams"]
    assert done.code == 4
    assert "https://127.0.0.1:" in line["reason"]
    assert "TLS" in line["reason"]
    assert wires.asked == []
