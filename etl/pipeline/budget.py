"""How much of a stream a run was asked to read, and which rows of a page it may keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.model.page import Page, RowBlock


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

    def allows_request(self) -> bool:
        """Take one page out of the budget; False, and remembered, when nothing is left."""
        if (self.pages is not None and self.pages <= 0) or (self.rows is not None and self.rows <= 0):
            self.was_hit = True
            return False
        if self.pages is not None:
            self.pages -= 1
        return True

    def keep(self, page: Page) -> Page:
        """The page without the rows that are outside the window or beyond the limit."""
        if self.only_inside and page.facts.outside_rows:
            covers = page.request.window.covers
            page = _select(page, [n for n, cursor in enumerate(page.block.cursors) if covers(cursor)])
        if self.rows is None:
            return page
        left = max(self.rows, 0)
        self.rows -= len(page.block.rows)
        if len(page.block.rows) <= left:
            return page
        self.was_hit = True
        return _select(page, list(range(left)))


def _select(page: Page, chosen: list[int]) -> Page:
    block = page.block
    kept = RowBlock(
        version=block.version,
        rows=[block.rows[n] for n in chosen],
        keys=[block.keys[n] for n in chosen] if block.keys else [],
        hashes=[block.hashes[n] for n in chosen],
        cursors=[block.cursors[n] for n in chosen] if block.cursors else [],
    )
    return replace(page, block=kept)
