"""The texts of the error codes; `explain` finds them, and the reference is written from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One code. `exit_code` is what a command ends with when nothing stronger happened."""

    code: str
    exit_code: int
    means: str
    causes: tuple[str, ...]
    do: tuple[str, ...]


def _entry(code: str, exit_code: int, means: str, causes: tuple[str, ...], do: tuple[str, ...]) -> Explanation:
    return Explanation(code=code, exit_code=exit_code, means=means, causes=causes, do=do)


_ALL: Final = (
    _entry(
        "E-CONFIG",
        2,
        "The configuration cannot be used; nothing was sent. Every mistake is told with its file, line and column.",
        (
            "a key that does not exist, often a typing error: the message names the nearest one",
            "a variable `${NAME}` that nobody set",
            "keys that contradict each other, such as `step` in a request without `{end}`",
        ),
        (
            "mend the lines that are named; all of them are told at once",
            "`etl check --offline` reads the configuration again; `etl schema` gives editors completion",
        ),
    ),
    _entry(
        "E-USAGE",
        2,
        "The command line, or a variable such as `ETL_DATABASE`, asks for something that does not exist.",
        (
            "a stream, a run or a reject with another name",
            "options that cannot stand together",
            "a database URL of another kind than `sqlite:///` and `postgresql://`",
            "an optional package that is not installed, such as the PostgreSQL driver",
        ),
        ("read the hint, which names what is possible", "`etl COMMAND --help` ends with an example"),
    ),
    _entry(
        "E-AUTH",
        4,
        "The API answered 401 or 403: it does not accept the credentials, or they do not reach far enough. "
        "The stream ends at once; every other request would be refused as well.",
        (
            "the token expired, was revoked, or belongs to another environment",
            "the variable holds something else: a line too much, quotes, the name instead of the value",
            "the token lacks a scope, or the account lacks a right",
            "the API wants another header than the one under `auth`",
        ),
        (
            "read the message: it names the variable that was sent, its length, and the line of `auth`",
            "without `auth`, add the line that the hint names",
            "`etl preview SEL --curl` prints the request to be pasted, and compared with the API's documentation",
            "renew the token, then `etl sync --failed`",
        ),
    ),
    _entry(
        "E-REQUEST-REFUSED",
        4,
        "The API answered a status from 400 on that a repetition would not change, or one that brings no page.",
        (
            "404: `path` or `base_url` is wrong, or a member of a list is gone",
            "400 or 422: a parameter has another name, form or range than the API wants",
            "the API lists only so many rows of one query, and a deeper page was asked for",
        ),
        (
            "read the API's own words in the message",
            "`etl preview SEL` shows the request as it is sent",
            "for a list that is capped, declare `pages.cap` and narrow it by `{start}` and `{end}`",
        ),
    ),
    _entry(
        "E-GAVE-UP",
        4,
        "All tries of a request, or its total deadline, are spent. The reason of the last try stands in the message; "
        "what was committed stays, and the next run goes on from there.",
        (
            "the server is down, or the network in between",
            "pages take longer than `limits.timeout`",
            "a rate limit with a wait that is longer than a run waits",
        ),
        (
            "`etl check SEL` asks once and tells what comes back",
            "raise `limits.timeout` or ask for smaller pages; lower `limits.rate` for rate limits",
            "run again: nothing that is committed is fetched anew",
        ),
    ),
    _entry(
        "E-SOURCE-UNAVAILABLE",
        4,
        "The server, or the way to it, failed in a manner that often passes; the request is repeated. "
        "It ends a stream only as E-GAVE-UP.",
        (
            "a status 408 or from 500 on",
            "a connection that was refused, reset, or timed out",
            "a host name that was not found",
        ),
        ("look whether the server runs and `base_url` is right", "run again later"),
    ),
    _entry(
        "E-RATE-LIMITED",
        4,
        "The API asked for fewer requests: 429, or a 403 or 503 that names a wait. Every request of the source waits, "
        "then the request is repeated. It ends a stream only as E-GAVE-UP.",
        ("another program uses the same quota", "the limit is lower than what is asked for"),
        (
            "declare what the API allows: `limits: {rate: 5/s}`",
            "sync less often, or only what changed (`incremental`)",
        ),
    ),
    _entry(
        "E-MALFORMED-PAGE",
        4,
        "The answer is not the page it should be, so it is asked for once more. It ends a stream only as E-GAVE-UP.",
        (
            "`records` names a place that the answer does not have",
            "a login page or an error page came with status 200",
            "a proxy cut the answer off",
        ),
        (
            "`etl preview SEL --curl` prints the request; look at what it really answers",
            "compare `records` with that answer",
        ),
    ),
    _entry(
        "E-TRY-AGAIN",
        4,
        "A request failed in a way that may pass in a moment: the family of E-SOURCE-UNAVAILABLE, E-RATE-LIMITED and "
        "E-MALFORMED-PAGE.",
        ("see those",),
        ("run again; what was committed stays",),
    ),
    _entry(
        "E-PAGING-LOOP",
        4,
        "The API leads in a circle: a cursor, a link or a whole page came twice in one chain. "
        "Reading on would never end, so the stream stops.",
        (
            "the parameter that turns the page has another name, and the API answers page 1 every time",
            "the cursor is sent where the API does not look for it",
            "beyond its end the API repeats its last page",
        ),
        (
            "`etl preview SEL` shows both requests and whether page 2 holds other rows",
            "declare how the list ends: `pages.total_rows`, `while` or `until`",
        ),
    ),
    _entry(
        "E-FOREIGN-HOST",
        4,
        "A link, a redirect or a URL out of the data leaves the origin of `base_url`. "
        "Credentials must not follow it, so nothing is sent there.",
        (
            "the API serves its pages from a second host",
            "`base_url` names a host that redirects, such as one without `www`",
            "an answer that somebody tampered with",
        ),
        (
            "put the final address into `base_url`",
            "if the other host belongs to the API: `allow_hosts: [HOST]`; it gets no credentials",
        ),
    ),
    _entry(
        "E-SOURCE",
        4,
        "The source does not answer as it should, and a repetition will not help.",
        (
            "a TLS certificate that cannot be verified",
            "a chain of redirects without an end",
            "a request that cannot be written as HTTP, such as a header with a line break",
        ),
        ("read what and why in the message", "`etl check SEL` asks once and tells what comes back"),
    ),
    _entry(
        "E-CONTRACT",
        5,
        "The stream is under `contract: freeze`, and a field or a type came that its table does not know. "
        "That page is not stored; the pages before it are.",
        ("the API got a new field", "a field holds another type than before"),
        (
            "declare the field under `columns` with the line that the message gives, or drop it there",
            "`contract: evolve` would add it by itself",
        ),
    ),
    _entry(
        "E-EXPECT",
        5,
        "A bound under `expect`, or the condition under `fail_if`, does not hold.",
        (
            "fewer rows than `expect.min_rows`, or a verdict below `expect.complete`",
            "more rejects than `expect.max_reject_share` allows (1 % by default)",
            "the API answered 200 with an error in its body, which `fail_if` found",
        ),
        (
            "`etl rejects list SEL` tells why items did not become rows",
            "mend the types under `columns`, or the bound if it was too tight",
        ),
    ),
    _entry(
        "E-INCOMPLETE",
        5,
        "Rows are known to be missing, or less can be claimed of the reading than was asked for. What came is stored; "
        "the watermark waits where the gap begins.",
        (
            "the API lists no more rows of one query than its limit, or `max_pages` was reached",
            "fewer different rows came than the API counted, also after repairs",
            "`--strict`, and the verdict is below `verified`",
            "the parent stream, whose rows are the members, was not read to its end",
        ),
        (
            "`etl runs show ID` tells which members and why; the reason and the hint name the line to change",
            "read in narrower windows: `incremental: {step: ...}` with `{start}` and `{end}`, and `pages: {cap: ...}`",
        ),
    ),
    _entry(
        "E-TOO-LARGE",
        5,
        "A body, an item or a chain of pages is larger than its bound, which keeps memory and time bounded.",
        ("pages with very many or very large items", "a compressed answer that unpacks to a thousand times its size"),
        (
            "ask for smaller pages: `pages.size`",
            "raise `limits.body` or `limits.record` if the data really is so large",
        ),
    ),
    _entry(
        "E-DATA",
        5,
        "The source answered, but not with what was asked for.",
        (
            "`pages` is not declared, and the answer looks like the first page of a longer list",
            "a value cannot stand in a request, such as `..` in a path",
            "an inferred type has to widen on a table that is too large to be rewritten",
        ),
        ("write the line that the hint gives", "`etl preview SEL` shows the answer and the inferred types"),
    ),
    _entry(
        "E-DELETES",
        5,
        "A complete reading did not bring many rows that the table holds, and deleting them was refused. "
        "Nothing was deleted; the rows that came are stored.",
        (
            "the credentials see fewer rows than before: another account, a lost right",
            "a filter in the request became narrower",
            "the API really deleted that many",
        ),
        (
            "compare the number of rows with what the API itself shows",
            "if they are really gone, `etl sync SEL --full --confirm-deletes N` with the number of the message",
        ),
    ),
    _entry(
        "E-DATABASE",
        6,
        "The database did not take the data, or could not be opened. Nothing of the last transaction is stored; "
        "everything before it is whole.",
        (
            "another program holds a lock on the SQLite file",
            "the disk is full, or the file or folder is not writable",
            "PostgreSQL cannot be reached, or its user lacks a right",
            "the state tables were made by a newer version of this program",
        ),
        (
            "`etl check --offline` opens the database and tells whether it can be written",
            "mend it and run again; `ETL_BUSY_TIMEOUT` (seconds, 30) is how long a lock is waited for",
        ),
    ),
    _entry(
        "E-LEASE-HELD",
        7,
        "Another live process is writing this stream; its host, pid and age are named. Nothing was sent.",
        ("the schedule and a person at the same time", "a run that takes longer than its interval"),
        (
            "let it finish",
            "a holder that is dead on the same host is replaced at once, any other one after `ETL_LEASE_TTL` (60 s)",
        ),
    ),
    _entry(
        "E-LEASE-LOST",
        7,
        "A newer holder took the stream over while this process was frozen or cut off from the database. "
        "This process wrote nothing since.",
        ("a suspended machine or container", "a database that could not be reached for longer than `ETL_LEASE_TTL`"),
        ("nothing: the newer run goes on from what is committed", "raise `ETL_LEASE_TTL` if it happens often"),
    ),
    _entry(
        "E-LEASE",
        7,
        "The right to write this stream could not be had, or was lost: the family of E-LEASE-HELD and E-LEASE-LOST.",
        ("see those",),
        ("let the other run finish",),
    ),
    _entry(
        "E-INTERNAL",
        1,
        "A bug in this program. What was committed is whole.",
        ("a case that nobody thought of",),
        ("report it with the traceback, in which secrets are masked", "run again: the next run goes on"),
    ),
)

EXPLANATIONS: Final = {entry.code: entry for entry in _ALL}
