"""What can go wrong with an answer, as values: each fault turns the honest answer into what is put on the wire."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from etl.testing.exchange import Answer, error
from etl.testing.state import ShopState

Ending = Literal["keep", "close", "reset", "stall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Bytes to send, `gap_s` seconds apart, and what happens to the connection afterwards.

    `keep` waits for the next request, `close` ends the stream, `reset` aborts it, `stall` sends nothing more and keeps
    it open. `status` is for the log.
    """

    chunks: tuple[bytes, ...]
    status: int
    ending: Ending = "keep"
    gap_s: float = 0.0


def honest(answer: Answer) -> Wire:
    """The answer as it is."""
    return Wire(chunks=(answer.head() + b"\r\n\r\n" + answer.body,), status=answer.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to go wrong. `delay_s` passes before the first byte; `before` may change the shop first."""

    name: str
    perform: Callable[[Answer], Wire] = honest
    delay_s: float = 0.0
    before: Callable[[ShopState], object] | None = None

    @staticmethod
    def status(status: int, *, retry_after: str | int | None = None) -> Fault:
        """An error answer; `retry_after` is sent as it is: seconds, an HTTP date, or nonsense."""
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        return Fault.answer(error(status, "this answer was scripted", *headers), name=str(status))

    @staticmethod
    def answer(answer: Answer, *, name: str = "answer") -> Fault:
        """Any whole answer in place of the honest one."""
        return Fault(name=name, perform=lambda _: honest(answer))

    @staticmethod
    def body(body: bytes, *, content_type: str = "application/json", status: int = 200) -> Fault:
        """Any body in place of the honest one."""
        return Fault.answer(Answer(status=status, body=body, headers=(("Content-Type", content_type),)), name="body")

    @staticmethod
    def truncate(share: float = 0.5) -> Fault:
        """The body ends early although its length was announced."""

        def perform(answer: Answer) -> Wire:
            part = answer.body[: int(len(answer.body) * share)]
            return Wire(chunks=(answer.head() + b"\r\n\r\n" + part,), status=answer.status, ending="close")

        return Fault(name="truncate", perform=perform)

    @staticmethod
    def cut(share: float = 0.5) -> Fault:
        """The body ends early and no length was announced: only its content can tell."""

        def perform(answer: Answer) -> Wire:
            part = answer.body[: int(len(answer.body) * share)]
            head = answer.head(length=None, close=True)
            return Wire(chunks=(head + b"\r\n\r\n" + part,), status=answer.status, ending="close")

        return Fault(name="cut", perform=perform)

    @staticmethod
    def reset() -> Fault:
        """The connection is reset in the middle of the body."""

        def perform(answer: Answer) -> Wire:
            part = answer.body[: len(answer.body) // 2]
            return Wire(chunks=(answer.head() + b"\r\n\r\n" + part,), status=answer.status, ending="reset")

        return Fault(name="reset", perform=perform)

    @staticmethod
    def hang_up() -> Fault:
        """The connection ends without a byte, as a keep-alive connection that timed out does."""
        return Fault(name="hang-up", perform=lambda _: Wire(chunks=(), status=0, ending="close"))

    @staticmethod
    def close_after() -> Fault:
        """An honest answer, after which the server closes the connection without saying so."""
        return Fault(name="close-after", perform=lambda answer: replace(honest(answer), ending="close"))

    @staticmethod
    def stall(share: float = 0.5) -> Fault:
        """The answer stops half way and the connection stays open."""

        def perform(answer: Answer) -> Wire:
            part = answer.body[: int(len(answer.body) * share)]
            return Wire(chunks=(answer.head() + b"\r\n\r\n" + part,), status=answer.status, ending="stall")

        return Fault(name="stall", perform=perform)

    @staticmethod
    def drip(gap_s: float = 0.05, size: int = 1) -> Fault:
        """The body comes `size` bytes at a time: no single read is slow, the whole is."""

        def perform(answer: Answer) -> Wire:
            body = answer.body
            parts = tuple(body[at : at + size] for at in range(0, len(body), size))
            return Wire(chunks=(answer.head() + b"\r\n\r\n", *parts), status=answer.status, gap_s=gap_s)

        return Fault(name="drip", perform=perform)

    @staticmethod
    def slow(delay_s: float) -> Fault:
        """An honest answer, later."""
        return Fault(name="slow", delay_s=delay_s)

    @staticmethod
    def html() -> Fault:
        """A login page with status 200."""
        page = b"<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"
        return replace(Fault.body(page, content_type="text/html; charset=utf-8"), name="html")

    @staticmethod
    def not_json() -> Fault:
        """Status 200, the right content type, and a body that is no JSON."""
        return replace(Fault.body(b'{"items": [{"id": 1}, oops'), name="not-json")

    @staticmethod
    def error_in_200() -> Fault:
        """A whole JSON object with status 200 that holds an error instead of the list."""
        return replace(Fault.body(b'{"error":"something went wrong"}'), name="error-in-200")

    @staticmethod
    def empty() -> Fault:
        """204 without a body."""
        return Fault.answer(Answer(status=204, headers=()), name="empty")

    @staticmethod
    def redirect(location: str, status: int = 302) -> Fault:
        """A redirect to any place, another host and itself included."""
        answer = Answer(status=status, headers=(("Location", location),))
        return Fault.answer(answer, name="redirect")

    @staticmethod
    def encoding(name: str = "br") -> Fault:
        """The honest bytes under a Content-Encoding that nobody asked for."""

        def perform(answer: Answer) -> Wire:
            return honest(replace(answer, headers=(*answer.headers, ("Content-Encoding", name))))

        return Fault(name="encoding", perform=perform)

    @staticmethod
    def two_members() -> Fault:
        """The body as two gzip members one after the other: a decoder that stops at the first loses half."""

        def perform(answer: Answer) -> Wire:
            body = _plain(answer)
            half = len(body) // 2
            packed = gzip.compress(body[:half]) + gzip.compress(body[half:])
            return honest(_as_gzip(answer, packed))

        return Fault(name="two-members", perform=perform)

    @staticmethod
    def cut_gzip() -> Fault:
        """A gzip stream without its end, and no announced length."""

        def perform(answer: Answer) -> Wire:
            packed = gzip.compress(_plain(answer))
            short = _as_gzip(answer, packed[: len(packed) * 2 // 3])
            wire = Wire(chunks=(short.head(length=None, close=True) + b"\r\n\r\n" + short.body,), status=answer.status)
            return replace(wire, ending="close")

        return Fault(name="cut-gzip", perform=perform)

    @staticmethod
    def bomb(unpacked_bytes: int = 1 << 30) -> Fault:
        """A small gzip body that unpacks to `unpacked_bytes` blanks."""

        def perform(answer: Answer) -> Wire:
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            blanks = b" " * (1 << 20)
            parts = [packer.compress(blanks) for _ in range(unpacked_bytes >> 20)]
            return honest(_as_gzip(answer, b"".join((*parts, packer.flush()))))

        return Fault(name="bomb", perform=perform)

    @staticmethod
    def raw(data: bytes, ending: Ending = "close") -> Fault:
        """Any bytes at all: a garbage status line, endless headers, two lengths."""
        return Fault(name="raw", perform=lambda _: Wire(chunks=(data,), status=0, ending=ending))

    @staticmethod
    def then(change: Callable[[ShopState], object]) -> Fault:
        """Change the shop, then answer honestly: how a list shifts under its reader."""
        return Fault(name="change", before=change)


def _plain(answer: Answer) -> bytes:
    packed = ("Content-Encoding", "gzip") in answer.headers
    return gzip.decompress(answer.body) if packed else answer.body


def _as_gzip(answer: Answer, packed: bytes) -> Answer:
    others = tuple((name, value) for name, value in answer.headers if name != "Content-Encoding")
    return replace(answer, body=packed, headers=(*others, ("Content-Encoding", "gzip")))
