"""Where the windows of a reading come from: a given few, or members that are still arriving."""

from __future__ import annotations

from collections.abc import Iterable

from etl.model.window import Window


class GivenWindows:
    """Windows that are all known, taken one by one; implements `ports.Windows`."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._windows = iter(windows)
        self._next = next(self._windows, None)

    @property
    def ended(self) -> bool:
        """Nothing is left."""
        return self._next is None

    def take(self) -> Window | None:
        """The next one."""
        taken, self._next = self._next, next(self._windows, None)
        return taken

    async def more(self) -> None:
        """Everything is there already."""
