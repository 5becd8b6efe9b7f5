"""Numbers, times and marks as people read them, with an ASCII form of every mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TextIO

from etl.model.run import Counts, RunStatus
from etl.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The signs a screen is drawn with."""

    good: str
    bad: str
    unsure: str
    arrow: str
    dot: str
    dash: str
    bar: str
    bar_end: str
    bar_rest: str

    def of(self, verdict: Verdict | None, exit_code: int) -> str:
        """The sign in front of a verdict: good for a claim that holds, unsure for `assumed`, bad otherwise."""
        if exit_code or verdict in (None, Verdict.INCOMPLETE):
            return self.bad
        return self.unsure if verdict is Verdict.ASSUMED else self.good


UNICODE: Final = Marks(good="✔", bad="✘", unsure="~", arrow="→", dot="·", dash="–", bar="━", bar_end="╸", bar_rest="─")
ASCII: Final = Marks(good="ok", bad="x", unsure="~", arrow="->", dot="-", dash="-", bar="=", bar_end=">", bar_rest=".")

STYLES: Final[Mapping[RunStatus, str]] = {
    RunStatus.SUCCEEDED: "green",
    RunStatus.SKIPPED: "dim",
    RunStatus.INTERRUPTED: "yellow",
    RunStatus.INCOMPLETE: "red",
    RunStatus.FAILED: "red",
    RunStatus.REFUSED: "red",
    RunStatus.FENCED: "red",
}


def marks_for(out: TextIO) -> Marks:
    """The signs that `out` can encode."""
    return UNICODE if (out.encoding or "").lower().replace("-", "").startswith("utf8") else ASCII


def seconds(value: float) -> str:
    """`0.6 s`, `29.3 s`, `4:05 min`, `1:02:11 h`."""
    if value < 99.95:
        return f"{value:.1f} s"
    return f"{clock(value)} {'min' if value < 3600 else 'h'}"


def clock(value: float) -> str:
    """`0:09`, `4:05`, `1:02:11`, rounded up: a countdown that shows 0:00 is over."""
    whole = int(-(-value // 1))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def size(count: int) -> str:
    """Bytes in decimal units: `812 B`, `28.4 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95 or unit == "GB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:,.1f} {unit}"


def several(count: int, noun: str) -> str:
    """`1 page`, `1,304 pages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def instant(text: str) -> str:
    """An ISO instant with a space for its `T`, cut to seconds; any other text as it is."""
    if len(text) >= 20 and text[4:5] == text[7:8] == "-" and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:19]}Z"
    return text


def outcome(counts: Counts) -> str:
    """`12 inserted, 3 updated, 885 unchanged`, and what was deleted or rejected only where something was."""
    words = [f"{counts.inserted:,} inserted", f"{counts.updated:,} updated", f"{counts.unchanged:,} unchanged"]
    if counts.deleted:
        words.append(f"{counts.deleted:,} deleted")
    if counts.rejected:
        words.append(f"{counts.rejected:,} rejected")
    return ", ".join(words)
