"""Tables of text, aligned, for people; the same data under `--json` is an array of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

GAP: Final = "  "


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """A line of titles and one for each row. Columns numbered in `right` are aligned to the right."""
    widths = [max(len(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
    return [
        GAP.join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (titles, *rows)
    ]
