"""Valid answers with a few bytes changed, seeded: no page that was damaged ends well with an item missing.

The judge reads the same bytes with the standard library alone. Where the stream succeeded, every item of every answer
has to be a row with the item's values, or a reject with the item's bytes.
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import pytest

from tests.acceptance.hostile.conftest import Hostile, http

WIDE = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
SEED = int(os.environ.get("FUZZ_SEED", "20260101"))
STREAM = """
{name}:
  path: /{name}
  params: {params}
  records: data
  pages: {pages}
  key: id
  expect: {{max_reject_share: 1}}
"""
NUMBERED = {"params": '{page: "{page}", size: "{size}"}', "pages": "{number: 1, size: 6, total_rows: total}"}
CHAIN = {"params": '{page: "{cursor}"}', "pages": "{cursor: next}"}
SPLICES = (
    b"", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800",
    b"\\u0000", b"\\", b"null", b"NaN", b"1e999", b"-", b"0", b"00", b".", b"e", b"9" * 400, b" ", b"\n", b"//",
    b"\xef\xbb\xbf", b'"id":', b'"data":', b"true", b"[[[[", b"}}", b'{"id":1}', b",,",
    b"\r\n", b"\xe2\x80\xae", b"1", b'"1"',
)  # fmt: skip


def item(number: int) -> dict[str, Any]:
    return {
        "id": number, "name": f"name {number} é", "qty": number * 3, "price": f"{number}.50", "share": number / 8,
        "at": f"2024-01-{number % 27 + 1:02d}T01:02:03.000{number % 10}Z", "ok": number % 2 == 0, "note": None,
        "tags": ["a", {"b": number}], "big": 2**60 + number,
    }  # fmt: skip


def page(number: int) -> bytes:
    """Two pages: six items, and three; the first names the second, for those who read by cursor."""
    chosen = [item(n) for n in (range(1, 7) if number == 1 else range(7, 10))]
    following = 2 if number == 1 else None
    return json.dumps({"total": 9, "next": following, "data": chosen}, ensure_ascii=number == 2).encode()


def mutated(body: bytes, rng: random.Random) -> bytes:
    """One to three places: bytes replaced, inserted, taken out, repeated, or moved."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place, length = rng.randrange(len(body)), rng.choice((0, 1, 1, 2, 5, 40))
        match rng.randrange(5):
            case 0:
                piece = bytes([rng.randrange(256)])
            case 1:
                piece = body[place : place + length] * 2
            case 2:
                other = rng.randrange(len(body))
                piece = body[other : other + length]
            case _:
                piece = rng.choice(SPLICES)
        body = body[:place] + piece + body[place + length :]
    return body


class Mutant:
    """The answers of one stream: page 1 or page 2 is damaged, in its body or anywhere in the response."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.seed = seed
        self.list = CHAIN if seed % 2 else NUMBERED
        self.hurt = rng.choice((1, 1, 2))
        self.wire = {number: http(page(number)) for number in (1, 2)}
        if rng.random() < 0.75:
            self.wire[self.hurt] = http(mutated(page(self.hurt), rng))
        else:
            self.wire[self.hurt] = mutated(self.wire[self.hurt], rng)
        self.asked: set[int] = set()

    def answer(self, target: str) -> bytes:
        named = target.partition("page=")[2].partition("&")[0]
        number = int(named) if named.isdigit() and len(named) < 5 else 0 if named else 1
        self.asked.add(number)
        return self.wire.get(number) or http(b'{"total": 9, "next": null, "data": []}')

    def stream(self) -> str:
        return STREAM.format(name=f"m{self.seed}", **self.list)

    def items(self) -> list[Any]:
        """What a reader that trusts nobody finds in the answers that were asked for."""
        bodies = [self.wire[number].partition(b"\r\n\r\n")[2] for number in sorted(self.asked & self.wire.keys())]
        return [found for body in bodies for found in json.loads(body.decode("utf-8-sig"), parse_float=exact)["data"]]


def canonical(value: Any) -> str:
    """The value whatever column it was stored in: numbers by value, instants in UTC, nested values as JSON."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=float)
    text = str(value)
    if text[:1] in '[{"' and text[:1]:
        try:
            inner = json.loads(text)
        except ValueError:
            return text
        return canonical(inner)
    try:
        number = Decimal(text)
        return str(number.normalize(WIDE)) if number.is_finite() else text
    except ArithmeticError:
        pass
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except ValueError:
        return {"true": "1", "false": "0"}.get(text, text)


def lost(hostile: Hostile, mutant: Mutant) -> list[Any]:
    """The items that are neither rows nor rejects."""
    table = f"api_m{mutant.seed}"
    kept = hostile.project.rows(f"SELECT raw FROM _etl_rejects WHERE stream = 'api.m{mutant.seed}'")
    rejects = [as_json(bytes(raw)) for (raw,) in kept]
    positions = f"SELECT name FROM _etl_columns WHERE table_name = '{table}' ORDER BY position"
    names = [str(name).replace('"', '""') for (name,) in hostile.project.rows(positions)]
    chosen = ", ".join(f'"{name}"' for name in names)
    rows = [
        {name: canonical(value) for name, value in zip(names, row, strict=True) if value is not None}
        for row in (hostile.project.rows(f"SELECT {chosen} FROM {table}") if names else [])
    ]
    found = mutant.items()
    newest = {canonical(each.get("id")): each for each in found if isinstance(each, dict)}
    missing = []
    for each in found:
        if isinstance(each, dict):
            wanted = {canonical(v) for v in newest[canonical(each.get("id"))].values() if v is not None}
            if any(row.get("id") == canonical(each.get("id")) and wanted == set(row.values()) for row in rows):
                continue
        if each not in rejects:
            missing.append(each)
    return missing


def exact(literal: str) -> Decimal | str:
    """A number as it was written; its text where no decimal holds the exponent."""
    try:
        return Decimal(literal)
    except ArithmeticError:
        return literal


def as_json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode(errors="surrogatepass"), parse_float=exact)
    except ValueError:
        return raw


def attack(hostile: Hostile, seeds: range) -> dict[str, int]:
    """All seeds as streams of one run; how many of them ended how."""
    mutants = {f"m{seed}": Mutant(seed) for seed in seeds}
    hostile.wires.answers = {f"/{name}": mutant.answer for name, mutant in mutants.items()}
    hostile.streams("".join(mutant.stream() for mutant in mutants.values()), limits="{retries: 0, timeout: 1s}")

    done = hostile.sync()

    ended: dict[str, int] = {}
    for line in done.json["streams"]:
        mutant = mutants[line["stream"].removeprefix("api.")]
        ended[line["status"]] = ended.get(line["status"], 0) + 1
        if line["status"] == "succeeded":
            assert lost(hostile, mutant) == [], (mutant.seed, line["reason"], mutant.wire[mutant.hurt])
    assert (done.code == 0) == (set(ended) == {"succeeded"})
    return ended


def test_no_mutated_page_ends_well_with_an_item_missing(hostile: Hostile) -> None:
    """Forty damaged pages on each database, some of which are still pages."""
    ended = attack(hostile, range(SEED, SEED + 40))

    assert ended["succeeded"] > 4
    assert ended["failed"] > 4


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(int(os.environ.get("FUZZ_BATCHES", "20"))))
def test_thousands_of_mutated_pages(hostile: Hostile, batch: int) -> None:
    """A hundred in every batch: FUZZ_BATCHES, FUZZ_SEED."""
    first = SEED + 1_000 + batch * 100
    attack(hostile, range(first, first + 100))


def test_the_judge_sees_a_row_that_is_gone_and_one_that_changed(hostile_lite: Hostile) -> None:
    """Or it would prove nothing."""
    mutant = Mutant(SEED)
    mutant.wire = {1: http(page(1)), 2: http(page(2))}
    hostile_lite.wires.answers = {f"/m{SEED}": mutant.answer}
    hostile_lite.streams(mutant.stream())
    assert hostile_lite.sync().code == 0
    assert lost(hostile_lite, mutant) == []

    hostile_lite.project.write(f"DELETE FROM api_m{SEED} WHERE id = 3")
    hostile_lite.project.write(f"UPDATE api_m{SEED} SET big = big + 1 WHERE id = 5")

    assert [each["id"] for each in lost(hostile_lite, mutant)] == [3, 5]
