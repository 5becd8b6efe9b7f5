"""What may still be done for a window that could not be read as it is: read it again, or in two halves.

Easy to get wrong: both could go on for ever. A window is read again a few times at most, and it is cut only where it
holds many rows, and where the API keeps to its bounds; else the halves would hold as many, and theirs as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from etl.errors import RequestRefused, StreamStopped
from etl.model.page import PageRequest, Purpose
from etl.model.verdict import Judgement
from etl.pipeline.progress import WindowProgress

_GONE: Final = 410
_MAY_BE_EXPIRED: Final = frozenset({400, 404, 410, 422})
"""How APIs refuse a cursor that they gave long ago; a fresh one they refuse so for another reason."""
_TOO_DEEP: Final = frozenset({400, 416, 422})
_DEEP_ROWS: Final = 1_000
"""No API limits the depth below that, so that a refusal has another reason."""
_RESTARTS: Final = 2


def again(progress: WindowProgress, first: PageRequest, request: PageRequest, failure: StreamStopped) -> bool:
    """Begin the window anew where its cursor expired; `first` is its first request. True when that was done.

    410 says that it expired. Other refusals mean it only where the chain came out of the ledger: hours may have passed.
    """
    if not isinstance(failure, RequestRefused) or not request.ordinal or request.page is not None:
        return False
    if request.cursor is None and request.link is None:
        return False
    expired = failure.status == _GONE or (progress.recalled and failure.status in _MAY_BE_EXPIRED)
    if not expired or progress.restarts >= (_RESTARTS if failure.status == _GONE else 1):
        return False
    progress.restart(replace(first, purpose=Purpose.REPAIR, attempt=2 * (progress.restarts + 1)))
    return True


def should_halve(progress: WindowProgress) -> bool:
    """Whether a narrower window may be read whole: the API caps what it lists, or refused to go deeper."""
    if progress.outside * 4 > progress.items:
        return False  # the API looks at no bounds, or hardly
    if progress.judgement is not None:
        return progress.judgement.capped
    failure = progress.failure
    return isinstance(failure, RequestRefused) and failure.status in _TOO_DEEP and progress.failed_depth >= _DEEP_ROWS


def not_narrower(progress: WindowProgress) -> Judgement | None:
    """The judgement of a capped window that cannot be cut any more, with what is left to do."""
    found, window = progress.judgement, progress.window
    if found is None or not found.capped or window.start is None or window.end is None:
        return found
    if progress.outside * 4 > progress.items:
        why = f"{progress.outside:,} of {progress.items:,} rows came from outside the window, so it was not cut"
        return replace(found, hint=f"{why}: does the API obey the parameters that hold {{start}} and {{end}}?")
    return replace(
        found,
        hint="so many rows share one unit of incremental.format that no window is narrow enough: a finer format, or "
        "another filter beside it, such as for_each over a status or a region",
    )
