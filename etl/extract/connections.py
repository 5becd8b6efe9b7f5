"""The open connections of a source: made when needed, kept while the server keeps them, never waited for.

How many there are at once is the limiter's business, so there is no queue here that a cancelled request could leave
jammed: a wire is either with the request that took it, put aside, or closed.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from etl.extract.wire import Broken, Wire
from etl.model.source import Source

_CONNECT_S: Final = 10.0
"""The total deadline of a request is the client's; only connecting has a shorter one of its own."""
_KEPT_S: Final = 30.0
_NAMED_S: Final = 10.0
"""How long the address that answered for a name is taken without asking again."""
_ATTEMPT_S: Final = 0.25
_CLOSING_S: Final = 2.0
_PORTS: Final = {"http": 80, "https": 443}

Place = tuple[str, str, int]
"""Scheme, host and port of a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where requests go instead. `authorization` is the value of its header, empty without credentials."""

    place: Place
    authorization: str = field(default="", repr=False)


class Connections:
    """Of one source. `keep` is how many are kept for each server."""

    def __init__(self, source: Source, keep: int) -> None:
        self._source = source
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._open: set[Wire] = set()
        self._kept: dict[Place, list[Wire]] = {}
        self._named: dict[str, tuple[str, float]] = {}
        self._routes: dict[Place, Proxy | None] = {}
        self._all_ended = asyncio.Event()

    async def take(self, place: Place) -> Wire:
        """A wire to the server, or to the proxy in front of it. Raises Broken when none can be made."""
        kept = self._kept.get(place)
        while kept:
            wire = kept.pop()  # the one used last: the server has had the least time to close it
            if wire.is_usable and self._loop.time() - wire.kept_since < _KEPT_S:
                return wire
            wire.close()
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await self._connect(place)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise _unconnected(error) from error

    def give_back(self, place: Place, wire: Wire) -> None:
        """Keep a wire whose answer was taken whole; close any other."""
        kept = self._kept.setdefault(place, [])
        if not wire.is_usable or len(kept) >= self._keep:
            wire.close()
            return
        wire.kept_since = self._loop.time()
        kept.append(wire)

    def proxy(self, place: Place) -> Proxy | None:
        """The proxy that the environment names for a server; None without `trust_env`. Raises Broken for an odd one."""
        if place not in self._routes:
            self._routes[place] = _proxy_of(place) if self._source.trust_env else None
        return self._routes[place]

    async def close(self) -> None:
        """Close every connection, and wait until they are."""
        for wire in list(self._open):
            wire.close()
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_ended.wait(), _CLOSING_S)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = httpx.create_ssl_context(verify=self._source.verify_tls, trust_env=self._source.trust_env)
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def _connect(self, place: Place) -> Wire:
        proxy = self.proxy(place)
        if proxy is None:
            return await self._dial(place)
        wire = await self._dial(proxy.place)
        if place[0] == "http":
            return wire
        try:
            return await self._tunnel(wire, place, proxy)
        except BaseException:
            wire.close()
            raise

    async def _dial(self, place: Place) -> Wire:
        scheme, host, port = place
        address, until = self._named.get(host, ("", 0.0))
        if _is_address(host):
            # There is nothing to race, and a race that is cancelled as it ends leaves a socket open (CPython 3.11).
            address, until = host, float("inf")
        is_known = self._loop.time() < until
        tls = self._tls if scheme == "https" else None
        try:
            transport, wire = await self._loop.create_connection(
                self._wire,
                address if is_known else host,
                port,
                ssl=tls,
                server_hostname=host if tls else None,
                happy_eyeballs_delay=None if is_known else _ATTEMPT_S,
            )
        except OSError:
            self._named.pop(host, None)
            raise
        if not is_known and (peer := transport.get_extra_info("peername")):
            self._named[host] = (peer[0], self._loop.time() + _NAMED_S)
        return wire

    async def _tunnel(self, wire: Wire, place: Place, proxy: Proxy) -> Wire:
        """Through a proxy to a server that it does not understand (RFC 9110 9.3.6)."""
        _, host, port = place
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        status, _ = await wire.ask(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        if not 200 <= status < 300:
            raise Broken("proxy", "the proxy does not let us through", f"it answered {status}")
        inner = self._wire()
        transport = await self._loop.start_tls(wire.detach(), inner, self._tls, server_hostname=host)
        if transport is None:
            raise ConnectionResetError("the proxy hung up")
        inner.connection_made(transport)
        return inner

    def _wire(self) -> Wire:
        return Wire(self._open.add, self._ended)

    def _ended(self, wire: Wire) -> None:
        self._open.discard(wire)
        if not self._open:
            self._all_ended.set()


@asynccontextmanager
async def open_connections(source: Source, keep: int) -> AsyncIterator[Connections]:
    """No connection is made yet; all are closed at the end."""
    connections = Connections(source, keep)
    try:
        yield connections
    finally:
        await connections.close()


def _proxy_of(place: Place) -> Proxy | None:
    from urllib.request import getproxies, proxy_bypass

    scheme, host, _ = place
    proxies = getproxies()
    named = proxies.get(scheme) or proxies.get("all")
    return None if not named or proxy_bypass(host) else _proxy(named)


def _proxy(named: str) -> Proxy:
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in _PORTS or not host:
        raise Broken("proxy", "the proxy that the environment names cannot be used", "only http and https proxies can")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = "Basic " + base64.b64encode(pair).decode("ascii")
    return Proxy(place=(scheme, host, port or _PORTS[scheme]), authorization=authorization)


def _unconnected(error: OSError) -> Broken:
    match error:
        case ssl.SSLCertVerificationError():
            return Broken("certificate", "TLS verification failed", error.verify_message)
        case ssl.SSLError():
            return Broken("tls", "no TLS connection could be made", str(error))
        case socket.gaierror():
            return Broken("dns", "the host name was not found", error.strerror or str(error))
        case TimeoutError():
            return Broken("timeout", "the connection was not made in time", str(error))
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return Broken("files", "no connection could be opened", error.strerror or str(error))
        case ConnectionRefusedError():
            # asyncio's own words are `Connect call failed ('127.0.0.1', 9)`.
            return Broken("connect", "the server could not be reached", "the connection was refused")
        case _:
            return Broken("connect", "the server could not be reached", error.strerror or str(error))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
