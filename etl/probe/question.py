"""A request as the experiments vary it, and its answer as they read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from etl.probe.paths import Path, value_at

_KEPT_IN_NAMES: Final = "[]$:,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request without credentials. `carrier` is where its parameters stand: None for the query, else the object of
    the JSON body that holds them.
    """

    method: str = "GET"
    base_url: str
    path: str = ""
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    carrier: Path | None = None

    @property
    def url(self) -> str:
        """The whole URL with its query; blanks are %20."""
        query = "&".join(f"{quote(name, safe=_KEPT_IN_NAMES)}={quote(value, safe='')}" for name, value in self.params)
        return f"{self.base_url}{self.path}" + (f"?{query}" if query else "")

    @property
    def content(self) -> bytes | None:
        """The JSON body, None for a request without one."""
        return None if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def given(self) -> Mapping[str, Any]:
        """The parameters by name; of a repeated one the last."""
        if self.carrier is None:
            return dict(self.params)
        found = value_at(self.body, self.carrier) if self.carrier else self.body
        return found if isinstance(found, Mapping) else {}

    def asking(self, changes: Mapping[str, object]) -> Question:
        """The same request with other values; a parameter whose new value is None is left out."""
        if self.carrier is not None:
            return replace(self, body=_changed(self.body, self.carrier, changes))
        kept = [(name, value) for name, value in self.params if name not in changes]
        # A value stays where it stood: some servers look at the order of their parameters.
        order = [name for name, _ in self.params]
        new = [(name, str(value)) for name, value in changes.items() if value is not None]
        places = {name: order.index(name) for name, _ in new if name in order}
        for name, value in sorted(new, key=lambda pair: places.get(pair[0], len(order))):
            kept.insert(min(places.get(name, len(kept)), len(kept)), (name, value))
        return replace(self, params=tuple(kept))


def _changed(body: Any, carrier: Path, changes: Mapping[str, object]) -> Any:
    level = dict(body) if isinstance(body, Mapping) else {}
    if carrier:
        level[carrier[0]] = _changed(level.get(carrier[0]), carrier[1:], changes)
        return level
    level.update({name: value for name, value in changes.items() if value is not None})
    return {name: value for name, value in level.items() if name not in changes or changes[name] is not None}


def query_of(url: str) -> tuple[tuple[str, str], ...]:
    """The parameters of a URL, in their order."""
    return tuple(parse_qsl(urlsplit(url).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer whose body was JSON; `links` are those of the Link header, by relation."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    body: Any
    size: int = 0
    seconds: float = 0.0
