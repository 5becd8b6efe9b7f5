"""Sends the requests of the experiments: one at a time, counted, and every refusal an answer as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from etl.errors import AuthRefused, EtlError, GaveUp, RequestRefused, StreamStopped, TryAgain
from etl.model.page import Response
from etl.ports import Clock
from etl.probe.access import advice
from etl.probe.limits import wait_s
from etl.probe.question import Question, Seen

Send = Callable[[str, str, tuple[tuple[str, str], ...], bytes | None], Awaitable[Response]]
"""Method, URL, headers and body to one answer, whatever its status; credentials are added on the way."""

_LONGEST_WAIT_S: Final = 30.0
_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer that brought no JSON with rows: `status`, and how its text begins."""

    status: int
    text: str
    headers: Mapping[str, str]


class Spent(Exception):
    """No request is left."""


class Lab:
    """The experiments' way to the server, with a budget that is kept to the letter."""

    def __init__(self, send: Send, clock: Clock, *, budget: int) -> None:
        self._send = send
        self._clock = clock
        self._budget = budget
        self.sent = 0
        self.broke = False
        """Whether the last question made the server fail: a name in it may have been too odd."""

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self._budget - self.sent

    async def first(self, question: Question) -> Seen | Refused:
        """The answer to the first question. Raises what the way to the server raises."""
        return await self._ask(question.method, question.url, question.headers, question.content)

    async def look(self, question: Question) -> Seen | Refused:
        """The answer to a later question; that none came is an answer, too. Raises Spent."""
        return await self._whatever(question.method, question.url, question.headers, question.content)

    async def follow(self, url: str, question: Question) -> Seen | Refused:
        """The answer behind a link that the answer to a question gave. Raises Spent."""
        return await self._whatever(question.method, url, question.headers, question.content)

    async def _whatever(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes | None
    ) -> Seen | Refused:
        try:
            return await self._ask(method, url, headers, body)
        except (StreamStopped, TryAgain) as error:
            return Refused(status=0, text=str(error)[:_EXCERPT], headers={})

    async def _ask(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes | None
    ) -> Seen | Refused:
        while True:
            if self.left <= 0:
                raise Spent
            self.sent += 1
            response = await self._send(method, url, headers, body)
            self.broke = response.status >= 500
            if response.status != 429 or not self.left or wait_s(response.headers) > _LONGEST_WAIT_S:
                return _read(response)
            await self._clock.sleep(wait_s(response.headers))


def _read(response: Response) -> Seen | Refused:
    if response.status < 300:
        try:
            body: Any = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _refused(response)
        return Seen(
            status=response.status, headers=response.headers, links=response.links, body=body,
            size=len(response.body), seconds=response.seconds,
        )  # fmt: skip
    return _refused(response)


def _refused(response: Response) -> Refused:
    text = " ".join(response.body[: 4 * _EXCERPT].decode("utf-8", "replace").split())[:_EXCERPT]
    return Refused(status=response.status, text=text, headers=response.headers)


def first_refusal(refused: Refused, source: str, url: str, *, signed: bool) -> EtlError:
    """The error of a first request that brought nothing to look at, with what to do about it.

    `signed` says that credentials were sent.
    """
    told = f"the answer begins: {refused.text}" if refused.text else ""
    what = f"{url} answered {refused.status}"
    if refused.status in (401, 403):
        challenge = refused.headers.get("www-authenticate", "")
        asked = f"the server asks for: {challenge[:120]}" if challenge else "the server does not say what it wants"
        needs = "this API needs another key, or more rights" if signed else "this API needs a key"
        error = AuthRefused(f"{what}: {needs}", why=asked, hint=advice(challenge, source))
        error.status = refused.status
        return error
    if refused.status < 300:
        kind = refused.headers.get("content-type", "no content type")
        return GaveUp(
            f"{url} answered no JSON ({kind})",
            why=told,
            hint="give the URL of the API itself, not of its page for people; some want --header 'Accept: ...'",
        )
    if refused.status == 429 or refused.status >= 500:
        return GaveUp(what, why=told, hint="the server refuses for the moment; try again later")
    hint = "is the URL right? give one that answers in a browser or with curl"
    return RequestRefused(what, status=refused.status, why=told, hint=hint)
