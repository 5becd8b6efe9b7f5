"""Proofs: pure functions from the facts of pages to a verdict. Nothing here reads, sends or stores."""

from etl.verify.choice import prove

__all__ = ["prove"]
