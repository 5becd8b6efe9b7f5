"""Sends requests until they bring a page, or until another try would not help.

One `SourceClient` serves all streams of a source. A malformed page is found by decoding and mended by fetching, so
the decoder stands inside the loop of tries.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

from etl.errors import (
    AuthRefused,
    GaveUp,
    RateLimited,
    RequestRefused,
    SourceUnavailable,
    StreamStopped,
    TryAgain,
)
from etl.extract.auth import Signer
from etl.extract.exchange import DeadConnection, Exchange, Wiring
from etl.extract.limiter import SourceLimiter
from etl.extract.oauth2 import AccessToken, tokens_of
from etl.extract.origins import Origins
from etl.extract.request import Outgoing, RequestBuilder, secret_params_of
from etl.extract.retry import backoff_s, is_gone, is_past_end
from etl.extract.signing_hook import SigningHook
from etl.extract.sniffing import refuse_if_paged
from etl.extract.transport import open_transport
from etl.extract.tries import Tries, status_of
from etl.model.events import RequestRetried, Warned
from etl.model.page import Page, PageRequest, Response
from etl.model.secret import Redactor
from etl.model.selector import SelectorKind
from etl.model.source import Source
from etl.model.spelled import SpelledRequest
from etl.model.stream import PagesKind, Stream
from etl.ports import Clock, Decoder, Listener

_MALFORMED_TRIES: Final = 2
_SIGNS_OF_LOAD: Final = ("503", "timeout", "files")


class SourceClient:
    """An open source. `limiter` is shared by its streams."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def limiter(self) -> SourceLimiter:
        """Admission of this source's requests; implements `ports.Limiter`."""
        return self._wiring.limiter

    @property
    def held_s(self) -> float:
        """Seconds in which no request might be sent, because of a declared rate or a pause the server asked for."""
        return self._wiring.limiter.held_s

    def stream(self, stream: Stream, decoder: Decoder, next_seq: Callable[[], int]) -> StreamClient:
        """The source port of one stream. `next_seq` numbers requests in the order of their start."""
        return StreamClient(self._wiring, stream, decoder, next_seq)

    async def raw(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...] = (), content: bytes | None = None
    ) -> Response:
        """One answer, whatever its status, to one request that is not tried again; its body is whole and bounded.

        `url` has no credentials; they are added for the source's own origin. Raises SourceFailed, SourceUnavailable,
        MalformedPage or TooLarge.
        """
        wiring, timeout_s = self._wiring, self._wiring.source.limits.timeout.total_seconds()
        exchange = Exchange(wiring)
        outgoing = Outgoing(method=method, url=url, headers=(*wiring.source.headers, *headers), content=content)
        try:
            async with asyncio.timeout(timeout_s):
                return await exchange.raw(outgoing, 1)
        except TimeoutError:
            raise SourceUnavailable(
                f"{method} {exchange.address(url)}: no whole answer in {timeout_s:g} s", reason="timeout"
            ) from None
        except DeadConnection as dead:
            raise dead.as_error() from dead


class StreamClient:
    """Implements `ports.Source`."""

    def __init__(self, wiring: Wiring, stream: Stream, decoder: Decoder, next_seq: Callable[[], int]) -> None:
        secret_params = secret_params_of(stream, wiring.redactor)
        if secret_params:
            wiring = replace(wiring, signer=Signer(wiring.source.auth, secret_params))
        self._wiring = wiring
        self._exchange = Exchange(wiring)
        self._stream = stream
        self._decoder = decoder
        self._next_seq = next_seq
        self._builder = RequestBuilder(wiring.source, stream, wiring.origins, wiring.clock)
        self._timeout_s = wiring.source.limits.timeout.total_seconds()
        totals = (stream.pages.total_rows, stream.pages.total_pages)
        self._asks_head = any(total is not None and total.kind is SelectorKind.HEAD for total in totals)

    def spelled(self, request: PageRequest) -> SpelledRequest:
        """The request as it would be sent, every credential masked; raises as `fetch` does before it sends."""
        return self._exchange.spelled(self._builder.build(request))

    async def fetch(self, request: PageRequest) -> Page:
        """The page, after as many tries as `limits.retries` allows.

        A connection that the server had closed while it was kept is tried again for free, once; a malformed page is
        asked for twice at most. Failed tries stay with the page, and with the error when there is none.
        """
        outgoing = self._builder.build(request)
        tries = Tries(self._wiring.clock)
        try:
            page = await self._persist(request, outgoing, tries)
        except RequestRefused as refused:
            if not (is_past_end(request, refused) or is_gone(request, refused)):
                self._ended(refused, outgoing, tries)
                raise
            page = self._past_end(request, outgoing, refused, tries)
        except StreamStopped as stopped:
            self._ended(stopped, outgoing, tries)
            raise
        brought = page.facts.refused is None and not page.facts.unchanged
        if self._stream.pages.kind is PagesKind.UNDECLARED and brought:
            refuse_if_paged(self._stream, page)
        return replace(page, failed_tries=tuple(tries.failed)) if tries.failed else page

    async def _persist(self, request: PageRequest, outgoing: Outgoing, tries: Tries) -> Page:
        limiter, free, token = self._wiring.limiter, 1, None
        while True:
            try:
                async with limiter.sending():
                    await limiter.turn()
                    tries.begin()
                    token = await self._token(tries)
                    response = await self._send(outgoing, token)
                    unchanged = response.status == HTTPStatus.NOT_MODIFIED
                    if self._asks_head and request.ordinal == 0 and not unchanged:
                        response = replace(response, head=await self._head(outgoing, token))
                return self._decoder.decode(request, response)
            except AuthRefused as refused:
                if token is None or refused.status != HTTPStatus.UNAUTHORIZED or tries.refused is not None:
                    raise
                tries.refused = token
                tries.note(SourceUnavailable(refused.what, reason=str(HTTPStatus.UNAUTHORIZED.value)), 0.0)
                continue
            except DeadConnection as dead:
                if free:
                    free -= 1
                    continue
                error: TryAgain = dead.as_error()
            except TryAgain as failed:
                error = failed
            await self._back_off(request, error, tries)

    async def _token(self, tries: Tries) -> AccessToken | None:
        """The token to send, None for a source without; after a refusal a new one, once a request."""
        tokens = self._wiring.tokens
        if tokens is None:
            return None
        return await (tokens.current() if tries.refused is None else tokens.instead_of(tries.refused))

    async def _send(self, outgoing: Outgoing, token: AccessToken | None) -> Response:
        authorization = "" if token is None else token.authorization
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._exchange.answer(outgoing, self._next_seq(), authorization)
        except TimeoutError:
            raise SourceUnavailable(
                f"{outgoing.method} {self._exchange.address(outgoing.url)}: no whole answer in {self._timeout_s:g} s",
                hint="raise limits.timeout, or ask for smaller pages",
                reason="timeout",
            ) from None
        self._wiring.limiter.answered(response.first_byte_s, len(response.body))
        return response

    async def _head(self, outgoing: Outgoing, token: AccessToken | None) -> Mapping[str, str]:
        """What HEAD tells of the same list; asked with its first page, and again when a proof looks at that."""
        await self._wiring.limiter.turn()
        return (await self._send(replace(outgoing, method="HEAD", content=None), token)).headers

    async def _back_off(self, request: PageRequest, error: TryAgain, tries: Tries) -> None:
        """Wait before the next try. Raises GaveUp when there is none, or when the server asks for too long a wait."""
        limiter, outage = self._wiring.limiter, self._wiring.outage
        alone = limiter.limit == 1
        if isinstance(error, RateLimited) or error.reason in _SIGNS_OF_LOAD:
            limiter.pushed_back()
        spent = tries.malformed(error) >= _MALFORMED_TRIES or len(tries.failed) >= self._wiring.source.limits.retries
        if spent or outage.hopeless(error):
            outage.gave_up(error)
            tries.note(error, 0.0)
            raise self._gave_up(error, tries) from error
        jittered = backoff_s(len(tries.failed) + 1, self._wiring.rng)
        # `Retry-After: 0` is real, and coming back at once in a crowd would not help anybody.
        wait_s = max(error.retry_after_s or 0.0, jittered)
        tries.note(error, wait_s)
        is_pause = isinstance(error, RateLimited) or error.retry_after_s is not None
        if isinstance(error, RateLimited):
            limiter.rate_limited(wait_s, alone=alone)
        if is_pause:
            limiter.pause(wait_s, f"answered {error.reason}" if error.reason.isdigit() else error.reason)
        self._wiring.listener(
            RequestRetried(
                stream=self._stream.id,
                position=request.position,
                reason=error.reason,
                attempt=len(tries.failed),
                wait_s=wait_s,
                status=status_of(error),
            )
        )
        if not is_pause:
            await self._wiring.clock.sleep(wait_s)

    def _gave_up(self, error: TryAgain, tries: Tries) -> GaveUp:
        count = len(tries.failed)
        tried = f"tried {count} times" if count > 1 else "tried once"
        return GaveUp(
            error.what,
            why=f"{tried}; {error.why}" if error.why else tried,
            hint=error.hint or "the next run goes on from what is committed",
        )

    def _ended(self, stopped: StreamStopped, outgoing: Outgoing, tries: Tries) -> None:
        """Leave with the error what was sent in vain, for the ledger."""
        tries.end(stopped)
        stopped.failed_tries = tuple(tries.failed)
        stopped.failed_url = self._exchange.address(outgoing.url)

    def _past_end(self, request: PageRequest, outgoing: Outgoing, refused: RequestRefused, tries: Tries) -> Page:
        """The list ended before this page, or its member is gone; the page is empty."""
        response = Response(
            status=refused.status if refused.status >= 400 else 404,  # 204 says the same
            headers={},
            body=b"",
            url=self._exchange.address(outgoing.url),
            started_at=tries.began_at,
            seq=self._next_seq(),
        )
        return self._decoder.decode(request, response)


@asynccontextmanager
async def open_source(
    source: Source,
    *,
    clock: Clock,
    listener: Listener,
    redactor: Redactor,
    concurrency: int | None = None,
    rng: random.Random | None = None,
    tokens: Path = Path("data/tokens"),
    hook: SigningHook | None = None,
) -> AsyncIterator[SourceClient]:
    """Open the connections of a source; they are closed at the end.

    `concurrency` fixes the number of requests in flight instead of adapting it under `limits.concurrency`. `rng` is
    where the jitter comes from. `tokens` is the folder where rotated refresh tokens are kept.
    `hook` signs the requests of a source whose `auth` names one.
    """
    if not source.verify_tls:
        listener(Warned(stream=source.name, message="certificates are not verified: verify_tls is off"))
    limiter = SourceLimiter(source.name, source.limits, clock=clock, listener=listener, fixed=concurrency)
    async with open_transport(source, concurrency or source.limits.concurrency) as transport:
        yield SourceClient(
            Wiring(
                source=source,
                transport=transport,
                limiter=limiter,
                origins=Origins(source),
                signer=Signer(source.auth),
                hook=hook,
                tokens=tokens_of(source, transport, folder=tokens, clock=clock, redactor=redactor),
                clock=clock,
                listener=listener,
                redactor=redactor,
                rng=rng or random.Random(),  # noqa: S311 - jitter, no secret
            )
        )
