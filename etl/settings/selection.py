"""Which streams a command means: `github`, `github.issues`, `git*.issues`, `tag:hourly`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from etl.errors import UsageError
from etl.model.stream import Stream


def select(streams: Sequence[Stream], selectors: Sequence[str], exclude: Sequence[str] = ()) -> tuple[Stream, ...]:
    """The streams that any selector names, each once, in the order of `streams`; all of them without a selector.

    Those that `exclude` names are left out. Raises UsageError for a selector that names nothing, with the nearest name
    there is, and where nothing is left.
    """
    chosen = _named(streams, selectors) if selectors else {stream.id for stream in streams}
    left = chosen - _named(streams, exclude)
    if chosen and not left:
        raise UsageError("no stream is left", why=f"--exclude {' '.join(exclude)} names all that are selected")
    return tuple(stream for stream in streams if stream.id in left)


def _named(streams: Sequence[Stream], selectors: Sequence[str]) -> set[str]:
    chosen: set[str] = set()
    for selector in selectors:
        named = {stream.id for stream in streams if _names(selector, stream)}
        if not named:
            raise _nothing(streams, selector)
        chosen |= named
    return chosen


def _names(selector: str, stream: Stream) -> bool:
    kind, colon, tag = selector.partition(":")
    if colon and kind == "tag":
        return any(fnmatchcase(own, tag) for own in stream.tags)
    return fnmatchcase(stream.id, selector) or fnmatchcase(stream.source, selector)


def _nothing(streams: Sequence[Stream], selector: str) -> UsageError:
    tags = sorted({tag for stream in streams for tag in stream.tags})
    known = [*sorted({stream.source for stream in streams}), *sorted(stream.id for stream in streams)]
    if not known:
        return UsageError(
            f"no stream is called {selector!r}",
            why="nothing is configured",
            hint="`etl init URL` writes one from the answers of an API, `etl demo` one to look at",
        )
    if selector.startswith("tag:"):
        tag = selector.removeprefix("tag:")
        hint = _nearest(tag, tags) if tags else "no stream has one yet; write tags: [NAME] in its file"
        return UsageError(f"no stream has the tag {tag!r}", hint=hint)
    verb = "matches" if any(sign in selector for sign in "*?[") else "is called"
    return UsageError(f"no source or stream {verb} {selector!r}", hint=_nearest(selector, known))


def _nearest(selector: str, known: Sequence[str]) -> str:
    near = get_close_matches(selector, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {_some(known)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
