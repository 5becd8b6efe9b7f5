"""Where a source may send requests, and where its credentials may go."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from etl.errors import ForeignHost
from etl.model.source import Source

_PORTS: Final = {"http": 80, "https": 443}
_HOST_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]")
"""All that a host and a port are written with; anything else is where parsers disagree about where a URL leads."""

Origin = tuple[str, str, int]


def origin_of(url: str) -> Origin:
    """Scheme, host and port, with the scheme's default port filled in. Raises ValueError for a port that is none."""
    return _origin(urlsplit(url))


class Origins:
    """The origins of one source: its own, and those under `allow_hosts`, which get no credentials."""

    def __init__(self, source: Source) -> None:
        self._source = source.name
        self.own = origin_of(source.base_url)
        self._allowed = tuple(source.allow_hosts)
        self._known: dict[tuple[str, str], bool] = {}

    def is_own(self, url: str) -> bool:
        """Whether credentials may go there; raises ForeignHost where no request may go at all.

        The same host over https instead of http is the source's own: credentials become safer, not less safe.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise self._foreign(url) from None
        place = (parts.scheme, parts.netloc)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = self._decide(parts, url)
        return known

    def resolve(self, link: str, base: str) -> str:
        """An absolute URL of a link that may be relative; raises ForeignHost for one that leaves the source."""
        try:
            url = urljoin(base, link.strip())
        except ValueError:
            raise self._foreign(link) from None
        self.is_own(url)
        return url

    def _decide(self, parts: SplitResult, url: str) -> bool:
        try:
            origin = _origin(parts)
        except ValueError:
            raise self._foreign(url) from None
        if not _HOST_SIGNS.issuperset(parts.netloc):  # `user@` too: a link does not choose who we are
            raise self._foreign(url)
        if origin == self.own:
            return True
        scheme, host, port = origin
        if self.own == ("http", host, 80) and (scheme, port) == ("https", 443):
            return True
        if scheme in _PORTS and any(_matches(allowed, origin) for allowed in self._allowed):
            return False
        raise self._foreign(url)

    def _foreign(self, url: str) -> ForeignHost:
        place = url.partition("?")[0].partition("#")[0]
        scheme, _, rest = place.rpartition("://")
        host = rest.partition("/")[0].rpartition("@")[2][:100]
        own = f"{self.own[0]}://{self.own[1]}:{self.own[2]}"
        return ForeignHost(
            f"{self._source}: a link leads to {scheme}://{host}, away from {own}",
            why="credentials must not follow, and such a link may be an attack",
            hint=f"if that host belongs to the API, add it: allow_hosts: [{host.partition(':')[0]}]",
        )


def _origin(parts: SplitResult) -> Origin:
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower(), 0)


def _matches(allowed: str, origin: Origin) -> bool:
    if "://" in allowed:
        return origin_of(allowed) == origin
    host, _, port = allowed.partition(":")
    return origin[1] == host.lower() and (not port or str(origin[2]) == port)
