"""The progress screen as lines: what is drawn at one moment, pure, so that tests can read it.

A bar, a percentage and an ETA appear only where the number of pages is known. More streams than fit fold: finished
ones into one line, waiting ones into another; those that failed stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etl.listeners.figures import STYLES, Marks, clock, outcome, seconds, several
from etl.listeners.printable import Printable
from etl.listeners.tally import StreamTally, Tally

Segment = tuple[str, str]
"""A text and its style in rich's words; an empty style is plain."""
Line = tuple[Segment, ...]

MOST_STREAMS: Final = 12
_LONGEST_NAME: Final = 32
_WIDEST_BAR: Final = 36


class Frame:
    """Draws a tally. `width` counts cells; lines are cut by whoever prints them."""

    def __init__(self, tally: Tally, marks: Marks, printable: Printable) -> None:
        self._tally = tally
        self._marks = marks
        self._printable = printable
        self.stopping = False

    def lines(self, now_s: float, width: int) -> list[Line]:
        """One line a stream, then what is folded, then the footer."""
        streams = list(self._tally.streams.values())
        shown, folded = _fold(streams)
        name_width = min(max((len(stream.stream) for stream in shown), default=0), _LONGEST_NAME)
        lines = [self._stream(stream, name_width, now_s, width) for stream in shown]
        lines.extend(self._folded(folded))
        lines.append(self._footer(now_s))
        lines.extend(self._pauses(now_s))
        if self.stopping:
            lines.append((("  stopping: what is on its way is saved; Ctrl-C again ends at once", "yellow"),))
        return lines

    def _stream(self, stream: StreamTally, name_width: int, now_s: float, width: int) -> Line:
        name = self._printable(stream.stream, _LONGEST_NAME).ljust(name_width)
        if stream.result is not None:
            return (("  " + name + "  ", ""), *self._finished(stream))
        rows = f"{several(stream.rows, 'row')}"
        if not stream.pages_total:
            position = f"   at {self._printable(stream.position, 40)}" if stream.position else ""
            return (("  " + name + "  ", ""), (f"{several(stream.pages, 'page')}   {rows}", ""), (position, "dim"))
        eta = stream.eta_s(now_s)
        left = f"   eta {clock(eta)}" if eta is not None else ""
        share = min(stream.pages / stream.pages_total, 1.0)
        tail = f"  {share:4.0%}   {stream.pages:,}/{stream.pages_total:,} pages   {rows}{left}"
        return (("  " + name + "  ", ""), *self._bar(share, width - name_width - len(tail) - 5), (tail, ""))

    def _bar(self, share: float, width: int) -> Line:
        cells = min(width, _WIDEST_BAR)
        if cells < 4:
            return ()
        done = int(share * cells)
        full = self._marks.bar * done
        edge = self._marks.bar_end if done < cells else ""
        return ((full + edge, "cyan"), (self._marks.bar_rest * (cells - done - len(edge)), "dim"))

    def _finished(self, stream: StreamTally) -> Line:
        result = stream.result
        assert result is not None
        style = STYLES.get(result.status, "")
        mark = self._marks.of(result.verdict, result.exit_code)
        if result.exit_code:
            return ((f"{mark} {result.status}   {self._printable(result.reason)}", style),)
        told = f"   {several(result.counts.pages, 'page')}   {outcome(result.counts)}   {seconds(result.seconds)}"
        return ((f"{mark} {result.verdict or result.status}", style), (told, ""))

    def _folded(self, streams: Sequence[StreamTally]) -> list[Line]:
        done = [stream for stream in streams if stream.result is not None]
        more = len(streams) - len(done)
        lines: list[Line] = []
        if done:
            rows = sum(stream.rows for stream in done)
            lines.append(
                ((f"  {self._marks.good} {several(len(done), 'stream')} done   {several(rows, 'row')}", "green"),)
            )
        if more:
            rows = sum(stream.rows for stream in streams) - sum(stream.rows for stream in done)
            lines.append(((f"    {several(more, 'more stream')} at work   {several(rows, 'row')}", "dim"),))
        return lines

    def _footer(self, now_s: float) -> Line:
        tally, dot = self._tally, f" {self._marks.dot} "
        parts = [
            f"{tally.pages.per_second(now_s):.1f} pages/s",
            f"{tally.rows.per_second(now_s):,.0f} rows/s",
            f"{tally.in_flight} of {tally.limit} in flight",
        ]
        waiting = self._waiting()
        if waiting:
            parts.append(waiting)
        retries = self._retries()
        if retries:
            parts.append(retries)
        for quota in list(tally.quota.values())[:2]:
            of = f"/{quota.limit:,}" if quota.limit is not None else ""
            parts.append(f"quota {quota.remaining:,}{of}")
        return (("  " + dot.join(parts), "dim"),)

    def _waiting(self) -> str:
        run = self._tally.run
        count = len(set(run.streams) - set(self._tally.streams)) if run else 0
        return f"{several(count, 'stream')} waiting" if count else ""

    def _retries(self) -> str:
        reasons = self._tally.retries.most_common(3)
        if not reasons:
            return ""
        times = "x" if self._marks.dot == "-" else "×"
        told = " ".join(f"{count:,}{times}{self._printable(reason, 20)}" for reason, count in reasons)
        return f"retries {sum(self._tally.retries.values()):,} ({told})"

    def _pauses(self, now_s: float) -> list[Line]:
        pauses = [
            self._printable(f"{source} paused {clock(until_s - now_s)} for {reason}", 100)
            for source, (until_s, reason) in list(self._tally.paused_until_s.items())
            if until_s > now_s
        ]
        return [((f"  {pause}", "yellow"),) for pause in pauses]


def _fold(streams: list[StreamTally]) -> tuple[list[StreamTally], list[StreamTally]]:
    """What is shown and what is folded, both in order; failed streams first, then those at work."""
    if len(streams) <= MOST_STREAMS:
        return streams, []
    bad = [stream for stream in streams if stream.result is not None and stream.result.exit_code]
    working = [stream for stream in streams if stream.result is None]
    kept = {stream.stream for stream in (bad + working)[:MOST_STREAMS]}
    return (
        [stream for stream in streams if stream.stream in kept],
        [stream for stream in streams if stream.stream not in kept],
    )
