"""The rules that make a configuration safe, one by one: what can be told offline is told offline, at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.errors import ConfigError
from etl.service.explain import explain

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure, Problems

HEAD = "base_url: https://a.example\nstreams:\n"
ONE = f"{HEAD}  items:\n    path: /x\n    key: id\n"
CIRCLE = (
    f"{HEAD}  a: {{path: '/{{x}}', key: id, pages: none, for_each: {{x: b.id}}}}\n"
    "  b: {path: '/{x}', key: id, pages: none, for_each: {x: a.id}}\n"
)
RULES = [
    ("an unknown key is no wish", f"{ONE}    incremental: {{feild: at}}\n", "6:19:", "(did you mean `field`?)"),
    ("nor at the top", f"schedul: every 15m\n{ONE}", "1:1:", "(did you mean `schedule`?)"),
    ("a window needs an end", f"{ONE}    incremental: {{field: at, step: 1d}}\n", "6:30:", "holds {end}"),
    ("a cursor needs its place", f"{ONE}    params: {{c: '{{cursor}}'}}\n", "6:17:", "`pages: {cursor: ...}`"),
    ("an offset has to be sent", f"{ONE}    pages: {{offset: 0}}\n", "6:13:", "add a parameter with"),
    ("a page number has to be sent", f"{ONE}    pages: {{number: 1}}\n", "6:13:", "add a parameter with"),
    ("members do not lead in a circle", CIRCLE, "3:57:", "a stream cannot be its own parent"),
    ("a date that does not exist", f"{ONE}    incremental: {{field: at, start: 2024-13-01}}\n", "6:37:", "no value"),
    ("a duration has a unit", f"{ONE}    incremental: {{field: at, overlap: 5 min}}\n", "6:39:", "30s, 5m, 12h"),
    ("a brace without quotes is a map", f"{ONE}    params: {{p: {{page}}}}\n", "6:17:", 'quotes: "{page}"'),
    ("an hour that never comes", f"{ONE}    schedule: 0 25 * * *\n", "6:15:", "out of range"),
    ("a day that never comes", f"{ONE}    schedule: 0 6 30 2 *\n", "6:15:", "never comes"),
    ("secrets stay with their host", ONE.replace("/x", "https://b.example/x"), "4:11:", "allow_hosts: [b.example]"),
    ("a URL holds no password", ONE.replace("//a", "//u:p@a"), "1:11:", "write them under `auth`"),
    ("a chain has a bound", f"{ONE}    max_pages: 0\n", "6:16:", "greater than or equal to 1"),
    ("rows have a key", ONE.replace("    key: id\n", ""), "3:3:", "`write: append`"),
    ("a key stands once", f"{ONE}    key: other\n", "6:5:", "first in line 5"),
    ("an order is told once", f"{ONE}    pages: {{link: a, ordered: true}}\n    order: {{by: id}}\n", "6:22:", "twice"),
]


@pytest.mark.parametrize(("text", "place", "advice"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_a_mistake_is_told_offline_with_its_place_and_its_mending(
    problems: Problems, text: str, place: str, advice: str
) -> None:
    """File, line and column of what has to change, and what to write there."""
    told = problems(shop=text)

    assert told[0].startswith(f"shop.yaml:{place} "), told[0]
    assert advice in told[0]


def test_every_mistake_has_a_code_that_can_be_looked_up(configure: Configure) -> None:
    """All of them are one error, whose text tells what to do."""
    with pytest.raises(ConfigError) as caught:
        configure(shop=RULES[0][1])

    assert (caught.value.exit_code, caught.value.code) == (2, "E-CONFIG")
    assert "etl check --offline" in " ".join(explain(caught.value.code).do)


@pytest.mark.parametrize(
    ("written", "sent"), [("no", "no"), ("on", "on"), ("2024-01-01", "2024-01-01"), ("1.10", "1.10")]
)
def test_yaml_does_not_change_what_is_written(configure: Configure, written: str, sent: str) -> None:
    """YAML 1.1 reads `no` as false, and dates and numbers as something else than what stands there."""
    stream = configure(shop=f"{ONE}    params: {{p: {written}}}\n").streams[0]

    assert dict(stream.request.params)["p"].render({}) == sent


@pytest.mark.parametrize("path", ["https://a.example:8443/x", "/x?next=https://b.example/", "{url}"])
def test_a_path_that_may_stay_with_its_host_is_no_mistake(configure: Configure, path: str) -> None:
    """Ports and links from data are looked at when they are followed."""
    more = "    for_each: {url: [a]}\n" if path == "{url}" else ""
    assert configure(shop=ONE.replace("/x", f'"{path}"') + more).streams
