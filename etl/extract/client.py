"""Sends requests until they bring a page, or until another try would not help.

One `SourceClient` serves all streams of a source. A malformed page is found by decoding and mended by fetching, so
the decoder stands inside the loop of tries.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urljoin

import httpx

from etl import __version__
from etl.errors import (
    GaveUp,
    MalformedPage,
    RateLimited,
    RequestRefused,
    SourceFailed,
    SourceUnavailable,
    TryAgain,
)
from etl.extract.auth import Signer
from etl.extract.body import read_body
from etl.extract.limiter import SourceLimiter
from etl.extract.origins import Origins
from etl.extract.request import Outgoing, RequestBuilder
from etl.extract.retry import backoff_s, http_date, quota_of, refusal, retry_after_s
from etl.extract.sniffing import refuse_if_paged
from etl.extract.transport import TIMEOUT, failure_words, is_dead_connection, open_transport
from etl.model.events import QuotaSeen, RequestRetried
from etl.model.page import FailedTry, Page, PageRequest, Response
from etl.model.secret import Redactor
from etl.model.stream import PagesKind, Source, Stream
from etl.ports import Clock, Decoder, Listener

_REDIRECTS: Final = 5
_EXCERPT: Final = 200
_MALFORMED_TRIES: Final = 2
_PAST_THE_END: Final = frozenset({400, 404, 410, 416, 422})
_DEFAULT_HEADERS: Final = (
    ("User-Agent", f"everypage/{__version__}"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, identity"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What every request of a source needs."""

    source: Source
    transport: httpx.AsyncBaseTransport
    limiter: SourceLimiter
    origins: Origins
    signer: Signer
    clock: Clock
    listener: Listener
    redactor: Redactor
    rng: random.Random


class SourceClient:
    """An open source. `limiter` is shared by its streams."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def limiter(self) -> SourceLimiter:
        """Admission of this source's requests; implements `ports.Limiter`."""
        return self._wiring.limiter

    def stream(self, stream: Stream, decoder: Decoder, next_seq: Callable[[], int], *, full: bool) -> StreamClient:
        """The source port of one stream. `next_seq` numbers requests in the order of their start."""
        return StreamClient(self._wiring, stream, decoder, next_seq, full=full)


class StreamClient:
    """Implements `ports.Source`."""

    def __init__(
        self, wiring: Wiring, stream: Stream, decoder: Decoder, next_seq: Callable[[], int], *, full: bool
    ) -> None:
        self._wiring = wiring
        self._stream = stream
        self._decoder = decoder
        self._next_seq = next_seq
        self._builder = RequestBuilder(wiring.source, stream, wiring.origins, wiring.clock, full=full)
        self._timeout_s = wiring.source.limits.timeout.total_seconds()

    async def fetch(self, request: PageRequest) -> Page:
        """The page, after as many tries as `limits.retries` allows.

        A connection that the server had closed while it was kept is tried again for free, once; a malformed page is
        asked for twice at most. Failed tries stay with the page, and with the error when there is none.
        """
        outgoing = self._builder.build(request)
        tries: list[FailedTry] = []
        dead_connections = malformed = 0
        while True:
            began, clock = self._wiring.clock.now(), self._wiring.clock.monotonic()
            try:
                page = await self._try(request, outgoing)
            except _DeadConnection as dead:
                dead_connections += 1
                error: TryAgain = dead.as_error()
                if dead_connections == 1:
                    continue
            except RequestRefused as refused:
                if request.may_be_past_end and refused.status in _PAST_THE_END:
                    return self._past_end(request, outgoing, refused, began, tries)
                raise self._with_tries(refused, tries) from None
            except TryAgain as failed:
                error = failed
                malformed += isinstance(failed, MalformedPage) and failed.reason != "truncated"
            except SourceFailed as failed:
                raise self._with_tries(failed, tries) from failed.__cause__
            else:
                if self._stream.pages.kind is PagesKind.UNDECLARED:
                    refuse_if_paged(self._stream, page)
                return replace(page, failed_tries=tuple(tries)) if tries else page
            over = len(tries) >= self._wiring.source.limits.retries or malformed >= _MALFORMED_TRIES
            wait_s = 0.0 if over else self._wait_for(error, len(tries) + 1)
            seconds = self._wiring.clock.monotonic() - clock
            tries.append(
                FailedTry(reason=error.reason, status=_status(error), seconds=seconds, wait_s=wait_s, at=began)
            )
            if over:
                raise self._gave_up(error, tries)
            self._tell_retry(request, error, len(tries), wait_s)
            if error.retry_after_s is None:
                await self._wiring.clock.sleep(wait_s)

    def _wait_for(self, error: TryAgain, attempt: int) -> float:
        """Seconds until the next try. What the server asked for pauses the whole source instead of this request."""
        jittered = backoff_s(attempt, self._wiring.rng)
        if isinstance(error, RateLimited) or error.reason in ("503", "timeout"):
            self._wiring.limiter.pushed_back()
        asked = error.retry_after_s
        if asked is None and not isinstance(error, RateLimited):
            return jittered
        # `Retry-After: 0` is real, and coming back at once in a crowd would not help anybody.
        wait_s = max(asked or 0.0, jittered)
        self._wiring.limiter.pause(wait_s, f"{error.reason}, Retry-After" if asked is not None else error.reason)
        return wait_s

    async def _try(self, request: PageRequest, outgoing: Outgoing) -> Page:
        await self._wiring.limiter.turn()
        seq = self._next_seq()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._answer(outgoing, seq)
        except TimeoutError:
            raise SourceUnavailable(
                f"{self._label(outgoing)} did not answer in full within {self._timeout_s:g} s",
                hint="raise limits.timeout, or ask for smaller pages",
                reason="timeout",
            ) from None
        self._wiring.limiter.answered(response.first_byte_s)
        return self._decoder.decode(request, response)

    async def _answer(self, outgoing: Outgoing, seq: int) -> Response:
        """One answer below 300, redirects within the source followed."""
        url = outgoing.url
        for _ in range(_REDIRECTS + 1):
            started_at, started = self._wiring.clock.now(), self._wiring.clock.monotonic()
            answer = await self._send(replace(outgoing, url=url))
            first_byte_s = self._wiring.clock.monotonic() - started
            try:
                headers = dict(answer.headers.items())
                if answer.status_code in (301, 302, 303, 307, 308) and "location" in headers:
                    url = self._wiring.origins.resolve(headers["location"], url)
                    continue
                return await self._read(outgoing, url, answer, headers, seq, (started_at, started, first_byte_s))
            finally:
                await answer.aclose()
        raise SourceFailed(f"{self._label(outgoing)} redirects more than {_REDIRECTS} times")

    async def _send(self, outgoing: Outgoing) -> httpx.Response:
        wiring = self._wiring
        own = wiring.origins.is_own(outgoing.url)
        given = (*outgoing.headers, *wiring.signer.headers) if own else ()
        named = {name.lower() for name, _ in given}
        headers = [*(pair for pair in _DEFAULT_HEADERS if pair[0].lower() not in named), *given]
        url = wiring.signer.sign(outgoing.url) if own else outgoing.url
        sent = httpx.Request(
            outgoing.method, url, headers=headers, content=outgoing.content, extensions={"timeout": TIMEOUT}
        )
        try:
            return await wiring.transport.handle_async_request(sent)
        except httpx.HTTPError as error:
            if is_dead_connection(error):
                raise _DeadConnection(self._label(outgoing)) from error
            raise self._unavailable(outgoing, error) from error

    async def _read(
        self,
        outgoing: Outgoing,
        url: str,
        answer: httpx.Response,
        headers: Mapping[str, str],
        seq: int,
        begun: tuple[datetime, float, float],
    ) -> Response:
        started_at, started, first_byte_s = begun
        wiring = self._wiring
        try:
            body, wire = await read_body(
                answer.stream,  # type: ignore[arg-type]  # an async transport answers with an async stream
                headers.get("content-encoding", ""),
                wiring.source.limits.body,
            )
        except httpx.HTTPError as error:
            raise self._unavailable(outgoing, error) from error
        self._look_at_quota(headers)
        status = answer.status_code
        if status >= 400:
            raise refusal(self._label(outgoing), status, headers, self._excerpt(body), wiring.clock.now())
        if status not in (200, 201, 203):
            raise RequestRefused(f"{self._label(outgoing)} answered {status}, which brings no page", status=status)
        self._refuse_markup(outgoing, headers, body)
        return Response(
            status=status,
            headers=headers,
            body=body.removeprefix(b"\xef\xbb\xbf"),
            url=wiring.redactor(wiring.signer.strip(url)),
            links=self._links(answer, url) if headers.get("link") else {},
            served_at=http_date(headers.get("date", "")),
            started_at=started_at,
            seconds=wiring.clock.monotonic() - started,
            first_byte_s=first_byte_s,
            wire_bytes=wire,
            seq=seq,
        )

    def _links(self, answer: httpx.Response, url: str) -> dict[str, str]:
        strip = self._wiring.signer.strip
        return {rel: strip(urljoin(url, link["url"])) for rel, link in answer.links.items() if rel and "url" in link}

    def _refuse_markup(self, outgoing: Outgoing, headers: Mapping[str, str], body: bytes) -> None:
        """A login or error page with status 200 is no empty page."""
        if body.lstrip()[:1] == b"<":
            kind = headers.get("content-type", "no content type")
            raise MalformedPage(
                f"{self._label(outgoing)} answered with markup instead of JSON ({kind})",
                why=f"the answer begins: {self._excerpt(body)}",
                hint="a login or error page: look at auth and base_url",
                reason="not-json",
            )

    def _look_at_quota(self, headers: Mapping[str, str]) -> None:
        now = self._wiring.clock.now()
        quota = quota_of(headers, now)
        if quota is None:
            return
        self._wiring.listener(
            QuotaSeen(source=self._wiring.source.name, remaining=quota.remaining, limit=quota.limit, reset_at=None)
        )
        if quota.remaining == 0 and quota.reset_s and retry_after_s(headers, now) is None:
            self._wiring.limiter.pause(quota.reset_s, "rate limit used up")

    def _past_end(
        self, request: PageRequest, outgoing: Outgoing, refused: RequestRefused, began: datetime, tries: list[FailedTry]
    ) -> Page:
        """A list without a total is read until a page is refused; that page is empty."""
        response = Response(
            status=refused.status,
            headers={},
            body=b"",
            url=self._wiring.redactor(self._wiring.signer.strip(outgoing.url)),
            started_at=began,
            seq=self._next_seq(),
        )
        return replace(self._decoder.decode(request, response), failed_tries=tuple(tries))

    def _gave_up(self, error: TryAgain, tries: list[FailedTry]) -> SourceFailed:
        count = len(tries)
        why = f"tried {count} times; {error.why}" if error.why else f"tried {count} times"
        gave_up = GaveUp(error.what, why=why, hint=error.hint or "the next run goes on from what is committed")
        gave_up.failed_tries = tuple(tries)
        gave_up.__cause__ = error
        return gave_up

    def _with_tries(self, error: SourceFailed, tries: list[FailedTry]) -> SourceFailed:
        error.failed_tries = tuple(tries)
        return error

    def _tell_retry(self, request: PageRequest, error: TryAgain, attempt: int, wait_s: float) -> None:
        self._wiring.listener(
            RequestRetried(
                stream=self._stream.id,
                position=request.position,
                reason=error.reason,
                attempt=attempt,
                wait_s=wait_s,
                status=_status(error),
            )
        )

    def _unavailable(self, outgoing: Outgoing, error: httpx.HTTPError) -> SourceUnavailable:
        reason, words = failure_words(error)
        detail = self._wiring.redactor(str(error.__cause__ or error))
        hint = "is the server running, and is base_url right?" if reason in ("connect", "dns") else ""
        return SourceUnavailable(f"{self._label(outgoing)}: {words}", why=detail, hint=hint, reason=reason)

    def _label(self, outgoing: Outgoing) -> str:
        return f"{outgoing.method} {self._wiring.redactor(self._wiring.signer.strip(outgoing.url))}"

    def _excerpt(self, body: bytes) -> str:
        text = body[: 4 * _EXCERPT].decode("utf-8", "replace")
        return self._wiring.redactor(" ".join(text.split()))[:_EXCERPT]


class _DeadConnection(Exception):
    """The server had closed a kept connection before it saw the request."""

    def as_error(self) -> SourceUnavailable:
        """What it is when it happens again."""
        return SourceUnavailable(f"{self.args[0]}: the server closed the connection", reason="disconnected")


def _status(error: TryAgain) -> int | None:
    return int(error.reason) if error.reason.isdigit() else None


@asynccontextmanager
async def open_source(
    source: Source,
    *,
    clock: Clock,
    listener: Listener,
    redactor: Redactor,
    concurrency: int | None = None,
    rng: random.Random | None = None,
) -> AsyncIterator[SourceClient]:
    """Open the connections of a source; they are closed at the end.

    `concurrency` fixes the number of requests in flight instead of adapting it under `limits.concurrency`. `rng` is
    where the jitter comes from.
    """
    limiter = SourceLimiter(source.name, source.limits, clock=clock, listener=listener, fixed=concurrency)
    async with open_transport(source, concurrency or source.limits.concurrency) as transport:
        yield SourceClient(
            Wiring(
                source=source,
                transport=transport,
                limiter=limiter,
                origins=Origins(source),
                signer=Signer(source.auth),
                clock=clock,
                listener=listener,
                redactor=redactor,
                rng=rng or random.Random(),  # noqa: S311 - jitter, no secret
            )
        )
