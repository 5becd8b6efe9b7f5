"""The guess that a batch holds nothing but new rows, so that nobody has to look for stored ones before.

A first load would look up every key in vain: on PostgreSQL a sixth of its time. The guess is checked by the database
itself: keys that are there are left alone, and the number of rows that went in tells. A wrong guess costs one batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from etl.model.page import Page


class NotAllNew(Exception):
    """Some of a batch's keys were there: its transaction is rolled back, and the batch is done again with a look."""


class Novelty:
    """What one run knows about its table: after a batch of new rows alone, the next one is expected to be so too.

    `worth` is False where a look costs less than counting what went in.
    """

    def __init__(self, *, worth: bool) -> None:
        self._worth = worth
        self._expected = False

    def is_expected(self, pages: Sequence[Page]) -> bool:
        """Whether a batch may go in without a look. Pages that are read again for a proof are known to be there."""
        return self._expected and not any(page.request.attempt for page in pages)

    def saw(self, keys: int, *, known: int) -> None:
        """A look at a batch found `known` of its keys stored."""
        self._expected = self._worth and keys > 0 and not known

    def prove(self, right: bool) -> None:
        """The outcome of a guess. A wrong one is the last of the run. Raises NotAllNew then."""
        if not right:
            self._worth = self._expected = False
            raise NotAllNew
