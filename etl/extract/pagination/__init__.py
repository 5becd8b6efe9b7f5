"""Pagination strategies: small pure classes, each with one idea of how a page names its successors."""

from __future__ import annotations

from typing import assert_never

from etl.extract.pagination.backward import ClosedPages
from etl.extract.pagination.bracketed import BracketedPages
from etl.extract.pagination.chain import CursorPages, LinkPages
from etl.extract.pagination.guards import Guarded, Strategy
from etl.extract.pagination.numbered import NumberedPages
from etl.extract.pagination.overlapping import OverlappingPages
from etl.extract.pagination.probed import ProbedPages
from etl.extract.pagination.single import SinglePage
from etl.model.proof import Closing, ProofMode, proof_of
from etl.model.stream import PagesKind, Stream
from etl.ports import Pages

__all__ = ["strategy"]


def strategy(stream: Stream, closing: Closing | None = None) -> Pages:
    """The strategy of a stream, with the guards that every strategy gets. `closing` tells which windows are over."""
    return Guarded(_bare(stream, closing or Closing(stream=stream)), stream)


def _bare(stream: Stream, closing: Closing) -> Strategy:
    match stream.pages.kind:
        case PagesKind.NONE | PagesKind.UNDECLARED:
            return SinglePage()
        case PagesKind.NUMBER | PagesKind.OFFSET:
            return _numbered(stream, closing)
        case PagesKind.CURSOR:
            return CursorPages(stream)
        case PagesKind.LINK:
            return LinkPages(stream)
        case kind:
            assert_never(kind)


def _numbered(stream: Stream, closing: Closing) -> Strategy:
    """Pages are asked for in the way that the proof of the stream needs."""
    match proof_of(stream):
        case ProofMode.COVERAGE:
            return OverlappingPages(stream.pages)
        case ProofMode.BRACKET:
            return BracketedPages(stream.id, stream.pages)
        case ProofMode.PROBES:
            return ProbedPages(stream.id, stream.pages)
        case ProofMode.CLOSED:
            return ClosedPages(stream.id, stream.pages, closing)
        case _:
            return NumberedPages(stream.id, stream.pages)
