"""Texts with placeholders."""

from __future__ import annotations

import pytest

from etl.model.template import Template, body_names, render_body


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("plain", {}, "plain"),
        ("", {}, ""),
        ("{size}", {"size": 200}, 200),
        ("{size:str}", {"size": 200}, "200"),
        ("{x:json}", {"x": ["a", 1]}, '["a", 1]'),
        ("a{n}b{n}", {"n": 1}, "a1b1"),
        ("x>={s},x<{e}", {"s": 1, "e": 2}, "x>=1,x<2"),
        ("{{x}}", {}, "{x}"),
        ("{{{x}}}", {"x": 1}, "{1}"),
        ("{flag}!", {"flag": True}, "true!"),
        ("{city.lat}", {"city": {"lat": 52.52}}, 52.52),
        ("{city.lat}", {"city": {}}, None),
        ("{x}", {}, None),
        ("a{x}", {"x": None}, None),
        ("{x}", {"x": 0}, 0),
    ],
)
def test_a_template_renders(text: str, values: dict[str, object], expected: object) -> None:
    """One placeholder keeps its value's type; a missing value makes the whole None."""
    assert Template.parse(text).render(values) == expected


@pytest.mark.parametrize("text", ["{", "}", "{x", "x}", "{a b}", "{}", "{x:upper}"])
def test_a_lone_brace_or_unknown_mode_is_refused(text: str) -> None:
    """Sent as it stands it would be a mistake nobody sees."""
    with pytest.raises(ValueError, match=r"lone|unknown mode"):
        Template.parse(text)


def test_a_path_encodes_its_values() -> None:
    """Data cannot climb out of its segment, unless `raw` says so."""
    template = Template.parse("/r/{x}/{x:raw}")

    assert template.render_path({"x": "../a b"}) == "/r/..%2Fa%20b/../a b"
    assert template.render_path({}) is None


def test_a_path_holds_what_a_person_wrote_as_it_was_written() -> None:
    """A documentation shows `owner/name` and `group%2Fproject`; only what no URL can hold is encoded."""
    template = Template.parse("/r/{x}/{y}/{x:str}").with_written({"x"})

    assert template.render_path({"x": "a/b%2Fc 5%", "y": "d/e"}) == "/r/a/b%2Fc%205%25/d%2Fe/a%2Fb%252Fc%205%25"


def test_a_body_leaves_out_what_has_no_value() -> None:
    """Members and elements; null as written stays."""
    body = {
        "a": Template.parse("{cursor}"),
        "b": (Template.parse("{size}"), None, 1.5),
        "c": {"d": Template.parse("x")},
    }

    assert render_body(body, {"size": 5}) == {"b": [5, None, 1.5], "c": {"d": "x"}}
    assert body_names(body) == {"cursor", "size"}
