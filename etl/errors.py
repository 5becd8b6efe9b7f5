"""Every error the product raises, grouped by what the runner does next.

    EtlError
    ├── TryAgain                  the client repeats the request, within its deadline and its tries
    │   ├── SourceUnavailable     network, 408, 425, 5xx
    │   ├── RateLimited           429, or a 403/503 that names a wait; pauses the whole source
    │   └── MalformedPage         the answer is no page: truncated, not JSON, records missing
    ├── StreamStopped             the stream ends here, what is committed stays
    │   ├── SourceFailed      4   the source does not answer as it should, and a repetition will not help
    │   │   ├── AuthRefused       401, 403
    │   │   ├── RequestRefused    any other 4xx
    │   │   ├── GaveUp            tries or deadline spent on a TryAgain
    │   │   ├── PagingLoop        a cursor, a link or a page came twice
    │   │   └── ForeignHost       a link or redirect leaves the origin of base_url
    │   ├── DataRefused       5   the data is not what was asked for
    │   │   ├── ContractBroken    a field the frozen contract does not know
    │   │   ├── ExpectationBroken a bound under `expect` or `fail_if`
    │   │   ├── Incomplete        something is known to be missing
    │   │   ├── DeletesRefused    more rows would be marked as deleted than a run may do by itself
    │   │   └── TooLarge          a body, an item or a chain beyond its bound
    │   ├── DatabaseRefused   6   locked, full, gone, or newer than this program
    │   └── LeaseRefused      7   somebody else writes this stream
    │       ├── LeaseHeld         at the start
    │       └── LeaseLost         half way: fenced off by a newer holder
    └── OperatorError         2   nothing was sent; a person has to change something
        ├── ConfigError           one or more problems, each with file:line:column
        └── UsageError            the command line

A message has up to four parts: what happened, why, what to do, and the state of your data. They are kept apart
so that a screen, a log line and a JSON object can each show them in their own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class EtlError(Exception):
    """Root of the tree. `exit_code` is the process's answer when nothing stronger happened."""

    code: ClassVar[str] = "E-INTERNAL"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "", data: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.data = data

    def __str__(self) -> str:
        """One line: what happened, and why when that is known."""
        return f"{self.what}: {self.why}" if self.why else self.what


class TryAgain(EtlError):
    """The same request may succeed in a moment.

    `retry_after_s` is the wait the server asked for, None where it named none.
    `reason` is a short stable word for counters: `503`, `429`, `timeout`, `connect`, `truncated`, `not-json`.
    """

    code = "E-TRY-AGAIN"
    exit_code = 4

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        data: str = "",
        reason: str = "error",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(what, why=why, hint=hint, data=data)
        self.reason = reason
        self.retry_after_s = retry_after_s


class SourceUnavailable(TryAgain):
    """The server, or the way to it, failed in a manner that often passes."""

    code = "E-SOURCE-UNAVAILABLE"


class RateLimited(TryAgain):
    """The server asked us to slow down; every request of the source waits."""

    code = "E-RATE-LIMITED"


class MalformedPage(TryAgain):
    """The answer is not the page it should be; a transport may have cut it, so it is asked for again."""

    code = "E-MALFORMED-PAGE"


class StreamStopped(EtlError):
    """This stream cannot go on in this run; its committed pages stay.

    `failed_tries` are those of the request that ended it, sent to `failed_url` (credentials masked).
    """

    failed_tries: tuple[object, ...] = ()
    failed_url: str = ""


class SourceFailed(StreamStopped):
    """The source does not answer as it should, and a repetition will not help."""

    code = "E-SOURCE"
    exit_code = 4


class AuthRefused(SourceFailed):
    """401 or 403: the credentials are missing, wrong, expired, or not enough. `status` is None before any answer."""

    code = "E-AUTH"
    status: int | None = None


class RequestRefused(SourceFailed):
    """A 4xx that a repetition will not change."""

    code = "E-REQUEST-REFUSED"

    def __init__(self, what: str, *, status: int, why: str = "", hint: str = "", data: str = "") -> None:
        super().__init__(what, why=why, hint=hint, data=data)
        self.status = status


class GaveUp(SourceFailed):
    """All tries, or the total deadline of the request, are spent."""

    code = "E-GAVE-UP"


class PagingLoop(SourceFailed):
    """The API leads in a circle: a cursor, a link or a whole page came twice in one chain."""

    code = "E-PAGING-LOOP"


class ForeignHost(SourceFailed):
    """A link, redirect or data-driven URL leaves `base_url`'s origin and is not under `allow_hosts`."""

    code = "E-FOREIGN-HOST"


class DataRefused(StreamStopped):
    """The source answered, but the data is not what was asked for."""

    code = "E-DATA"
    exit_code = 5


class ContractBroken(DataRefused):
    """`contract: freeze` met a field or a type it does not know."""

    code = "E-CONTRACT"


class ExpectationBroken(DataRefused):
    """A bound under `expect`, or a condition under `fail_if`, does not hold."""

    code = "E-EXPECT"


class Incomplete(DataRefused):
    """Something is known to be missing, or less can be claimed than was asked for."""

    code = "E-INCOMPLETE"


class DeletesRefused(DataRefused):
    """A reading would take more rows away than it may, or is too odd to be trusted with that."""

    code = "E-DELETES"


class TooLarge(DataRefused):
    """A body, an item or a chain of pages passed its bound."""

    code = "E-TOO-LARGE"


class DatabaseRefused(StreamStopped):
    """The database did not take the data; nothing of the last transaction is stored."""

    code = "E-DATABASE"
    exit_code = 6


class LeaseRefused(StreamStopped):
    """Another process writes this stream."""

    code = "E-LEASE"
    exit_code = 7


class LeaseHeld(LeaseRefused):
    """Another live process holds the lease; the message names its host, pid and age."""

    code = "E-LEASE-HELD"


class LeaseLost(LeaseRefused):
    """A newer holder took over while this process was frozen or cut off; it wrote nothing since."""

    code = "E-LEASE-LOST"


class OperatorError(EtlError):
    """A person has to change something before anything can be sent."""

    code = "E-USAGE"
    exit_code = 2


class UsageError(OperatorError):
    """The command line asks for something that does not exist or cannot be combined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a configuration file. `line` and `column` count from 1; 0 when there is no place."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        return f"{place}: {path}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(OperatorError):
    """Everything that is wrong in the configuration, gathered, so that one look mends it all."""

    code = "E-CONFIG"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
