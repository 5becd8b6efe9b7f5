"""The experiments against servers that a test makes up: budgets, refusals, and answers that want to do harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from etl.errors import AuthRefused, DataRefused, GaveUp, RequestRefused, TooLarge
from etl.model.page import Response
from etl.model.secret import Redactor
from etl.probe.access import Credentials
from etl.probe.question import Question
from etl.probe.writing import file_text
from etl.service.init import Proposal
from etl.service.probing.investigate import Case, investigate
from etl.service.probing.lab import Lab
from etl.service.questions import open_questions, settled
from etl.testing.clock import NOON

ROWS = [{"id": n, "at": f"2024-01-{n // 10 + 1:02}T00:00:{n % 60:02}Z"} for n in range(1, 201)]
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Clock:
    """Keeps what was waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self):
        return NOON

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


class Server:
    """A function of the query, and the requests that came."""

    def __init__(self, answer: Callable[[dict[str, str]], Answer]) -> None:
        self._answer = answer
        self.asked: list[dict[str, str]] = []

    async def send(self, method: str, url: str, headers: Any = (), content: bytes | None = None) -> Response:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
        self.asked.append(query)
        status, body, *more = self._answer(query)
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status=status, headers=more[0] if more else {}, body=sent, url=url, started_at=NOON)


async def found(server: Server, budget: int = 8, clock: Clock | None = None):
    case = Case(
        source="shop", stream="things", question=Question(base_url="https://x.example", path="/things"),
        credentials=Credentials(), now=NOON,
    )  # fmt: skip
    return await investigate(Lab(server.send, clock or Clock(), budget=budget), case)


def paged(query: dict[str, str]) -> Answer:
    size, page = int(query.get("limit", 20)), int(query.get("page", 1))
    return 200, {"data": ROWS[(page - 1) * size : page * size], "total": len(ROWS)}


@pytest.mark.parametrize("budget", range(1, 9))
async def test_the_budget_is_kept_to_the_letter(budget: int) -> None:
    """With whatever is known when it is spent."""
    server = Server(paged)

    draft = await found(server, budget)

    assert len(server.asked) <= budget
    assert draft.key == (("id",),)
    assert (draft.way.kind == "number") is ("pages" not in draft.checks)


async def test_a_parameter_that_is_ignored_is_no_way() -> None:
    """The answer says `page`, and brings the first page whatever is asked for."""
    server = Server(lambda query: (200, {"data": ROWS[:20], "page": 1, "total": 200}))

    draft = await found(server)

    assert draft.way.kind == "none"
    assert "the list goes on" in draft.checks["pages"]


async def test_a_total_that_only_a_page_tells_is_found() -> None:
    """Unpaged, the whole list comes and no header counts it."""

    def answer(query: dict[str, str]) -> Answer:
        if "_page" not in query:
            return 200, ROWS[: int(query.get("_limit", 200))]
        size, page = int(query.get("_limit", 10)), int(query["_page"])
        return 200, ROWS[(page - 1) * size : page * size], {"x-total-count": "200"}

    draft = await found(Server(answer))

    assert (draft.way.kind, draft.way.param, draft.way.first) == ("number", "_page", 1)
    assert draft.totals.rows is not None
    assert draft.totals.rows.selector == "header:X-Total-Count"


async def test_a_round_number_of_rows_asks_for_a_look() -> None:
    """A hundred rows, no total, every known name ignored: the whole list, or a page of it under a name nobody knows."""
    draft = await found(Server(lambda query: (200, ROWS[:100])))

    assert draft.way.kind == "none"
    assert draft.checks == {
        "records": "exactly 100 rows came, and 17 parameters of paging were ignored: is that the whole list?"
    }


async def test_a_person_can_dispel_a_doubt() -> None:
    """What is confirmed is said so in the file, and no line of it is marked any more."""
    draft = await found(Server(lambda query: (200, ROWS[:100])))
    proposal = Proposal(
        source="shop", stream="items", text="", evidence=(), checks=tuple(draft.checks.values()), variables=(),
        requests=8, draft=draft,
    )  # fmt: skip
    (key,) = open_questions(proposal)

    done = settled(proposal, [key], now=datetime(2026, 1, 2, tzinfo=UTC), redactor=Redactor(()))

    assert done.checks == ()
    assert "CHECK" not in done.text
    assert "pages: none  # 17 parameters of paging were ignored" in done.text


async def test_a_list_inside_the_rows_is_told_with_the_line_that_makes_rows_of_it() -> None:
    """As it is it lands as JSON; a list of plain values is nothing to tell."""
    orders = [{"id": n, "tags": ["a"], "lines": [{"sku": n}] if n % 2 else []} for n in range(7)]
    draft = await found(Server(lambda query: (200, {"data": orders})))

    assert draft.nested == ("lines",)
    assert [one.note for one in draft.evidence if one.about == "nested"] == [
        "a JSON column; rows of their own: records: [data, lines]"
    ]
    assert "records: [data, lines]" in file_text(draft, now=datetime(2026, 1, 2, tzinfo=UTC), requests=8)


async def test_an_odd_number_of_rows_is_a_whole_list() -> None:
    """Nobody pages by 117."""
    draft = await found(Server(lambda query: (200, ROWS[:117])))

    assert draft.way.kind == "none"
    assert draft.checks == {}


async def test_an_unknown_parameter_that_empties_the_list_is_no_filter() -> None:
    """A server that takes any name for a field: nothing remains of the list, so nothing is proved."""
    known = {"page", "limit"}
    server = Server(lambda query: (200, {"data": [], "total": 0}) if set(query) - known else paged(query))

    draft = await found(server, 20)

    assert draft.filter is None


async def test_a_server_that_refuses_what_it_does_not_know_is_asked_one_by_one() -> None:
    """400 for a name it does not know."""
    known = {"page", "limit", "at__gte"}

    def answer(query: dict[str, str]) -> Answer:
        return (400, {"error": "unknown parameter"}) if set(query) - known else paged(query)

    draft = await found(Server(answer), 20)

    assert (draft.way.kind, draft.way.param, draft.size_param) == ("number", "page", "limit")


async def test_a_429_is_waited_for_and_counted() -> None:
    """The server says how long; the budget stays what it is."""
    answers = iter([(429, {}, {"retry-after": "3"})])
    clock, server = Clock(), Server(lambda query: next(answers, None) or paged(query))

    await found(server, 8, clock)

    assert clock.waited == [3.0]
    assert len(server.asked) <= 8


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((401, {"e": 1}, {"www-authenticate": 'Basic realm="x"'}), AuthRefused, "--basic"),
        ((403, {"e": 1}), AuthRefused, "--bearer SHOP_TOKEN"),
        ((404, {"e": 1}), RequestRefused, "URL"),
        ((500, b"oops"), GaveUp, "later"),
        ((200, b"<html>login</html>", {"content-type": "text/html"}), GaveUp, "the API itself"),
        ((200, b"[" * 100_000), GaveUp, "the API itself"),
        ((200, b""), GaveUp, "the API itself"),
        ((200, {"data": []}), DataRefused, "at least a few rows"),
        ((200, "hello"), DataRefused, "at least a few rows"),
    ],
)
async def test_a_first_answer_that_is_no_list_is_an_error_with_a_hint(answer: Answer, error, words: str) -> None:
    """What the server wants, or what to give instead; after one request."""
    server = Server(lambda query: answer)

    with pytest.raises(error) as refused:
        await found(server)

    assert words in refused.value.hint
    assert len(server.asked) == 1


async def test_hostile_later_answers_only_end_their_experiment() -> None:
    """HTML, a failure, a body beyond its bound: what is known stays."""
    server = Server(lambda query: paged(query) if not query else (500, b"<html>"))
    plain = server.send

    async def send(method: str, url: str, headers: Any = (), content: bytes | None = None) -> Response:
        if len(server.asked) == 2:
            server.asked.append({})
            raise TooLarge("a response is larger than 64 bytes")
        return await plain(method, url, headers, content)

    server.send = send  # type: ignore[method-assign]
    draft = await found(server)

    assert draft.key == (("id",),)
    assert "the list goes on" in draft.checks["pages"]
