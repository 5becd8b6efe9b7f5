"""How much of a stream a run was asked to read, and which rows of a page it may keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.model.page import Keep, Page


@dataclass(slots=True, kw_only=True)
class Budget:
    """`--max-pages` and `--limit`, counted down; None is no bound.

    `only_inside` drops rows outside the window's bounds after the download: a backfill takes what it was asked for,
    even where the API cannot filter.
    """

    pages: int | None = None
    rows: int | None = None
    only_inside: bool = False
    was_hit: bool = False

    @property
    def is_spent(self) -> bool:
        """Nothing more may be asked for."""
        return (self.pages is not None and self.pages <= 0) or (self.rows is not None and self.rows <= 0)

    def allows_request(self) -> bool:
        """Take one page out of the budget; False, and remembered, when nothing is left."""
        if self.is_spent:
            self.was_hit = True
            return False
        if self.pages is not None:
            self.pages -= 1
        return True

    def keep(self, page: Page) -> Page:
        """The page without the rows that are outside the window or beyond the limit."""
        inside = self.only_inside and page.facts.outside_rows > 0
        if self.rows is None and not inside:
            return page
        keep = Keep(rows=None if self.rows is None else max(self.rows, 0), inside=inside)
        block = keep.chosen(page.block, page.request.window)
        if self.rows is not None:
            self.rows -= len(block.rows)
            self.was_hit |= len(block.rows) < len(page.block.rows)
        return replace(page, block=block, keep=keep)
