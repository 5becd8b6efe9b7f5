"""What a person types or pastes: URLs, curl lines, OpenAPI files; and where their secrets go."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import UsageError
from etl.probe.address import from_the_start, source_name, stream_name, taken_apart
from etl.probe.curl import read_curl
from etl.probe.openapi import base_of, listing_at, listings, url_of
from etl.probe.question import Question
from etl.service.wishes import Options, read_wish

SECRET = "s3cret-and-long-enough"


def test_a_url_is_taken_apart_at_its_last_word() -> None:
    """Joined again they are the URL without its query, whatever slashes it has."""
    address = taken_apart("https://ali:pass%20word@api.example.org:8443/v2/things/?page=3&q=a+b")

    assert (address.base_url, address.path) == ("https://api.example.org:8443/v2", "/things/")
    assert (address.user, address.password) == ("ali", "pass word")
    assert address.params == (("page", "3"), ("q", "a b"))


@pytest.mark.parametrize(
    "url", ["example.org/things", "ftp://example.org", "https://", "http://a b", "http://x:99999999/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="no URL"):
        read_wish(Options(url=url), Path("nowhere"), {})


def test_names_come_from_host_and_path() -> None:
    """Short ones, as a person would choose them."""
    assert source_name("https://api.github.com/repos") == "github"
    assert source_name("https://pokeapi.co/api/v2") == "pokeapi"
    assert source_name("http://127.0.0.1:8808/api") == "local"
    assert stream_name("/shop/odd~20table.json") == "odd_table"
    assert stream_name("/_all_docs") == "all_docs"
    assert stream_name("/v1/Line-Items/") == "line_items"


def test_a_list_is_read_from_its_start() -> None:
    """A page in the middle, as it was copied from a browser, is set back."""
    given = (("page", "7"), ("cursor", "abc"), ("offset", "40"), ("_page", "0"), ("limit", "20"), ("q", "x"))
    assert from_the_start(given) == (("page", "1"), ("offset", "0"), ("_page", "0"), ("limit", "20"), ("q", "x"))


def test_a_curl_line_of_a_browser_is_read() -> None:
    """Its noise is left out; line continuations, glued options and quotes are understood."""
    line = read_curl(
        "curl 'https://api.example.org/things?a=1' \\\n -H 'User-Agent: x' -H 'sec-ch-ua: y' -H 'X-Api-Key: k' "
        "-XGET --compressed -u ali:pw -G -d b=2 --data-urlencode 'c=d e'"
    )

    assert (line.method, line.url) == ("GET", "https://api.example.org/things?a=1&b=2&c=d%20e")
    assert line.headers == (("X-Api-Key", "k"),)
    assert line.user == ("ali", "pw")


def test_a_curl_line_with_a_body_is_a_post() -> None:
    """Only JSON objects can carry parameters that move."""
    assert read_curl("curl https://x.example/q --json '{\"limit\": 1}'").body == {"limit": 1}
    assert read_curl("curl https://x.example/q -d '{\"limit\": 1}'").method == "POST"
    for broken in ("curl https://x.example -d a=1", "wget x", "curl", "curl 'x"):
        with pytest.raises(ValueError, match="curl"):
            read_curl(broken)


@pytest.mark.parametrize(
    ("options", "kind", "parts"),
    [
        (Options(url="https://x.example/a", bearer=SECRET), "bearer", ("${X_TOKEN}",)),
        (Options(url="https://x.example/a", bearer="${MINE}"), "bearer", ("${MINE}",)),
        (Options(url="https://x.example/a", bearer="MINE"), "bearer", ("${MINE}",)),
        (Options(url=f"https://ali:{SECRET}@x.example/a"), "basic", ("${X_USER}", "${X_PASSWORD}")),
        (Options(url=f"https://x.example/a?api_key={SECRET}"), "query", ("${X_API_KEY}",)),
        (Options(url="https://x.example/a", headers=(f"Authorization: Key {SECRET}",)), "header", ("Key ${X_TOKEN}",)),
        (Options(curl=f"curl https://x.example/a -H 'Cookie: s={SECRET}'"), "header", ("${X_COOKIE}",)),
    ],
)  # fmt: skip
def test_every_secret_becomes_a_variable(options: Options, kind: str, parts: tuple[str, ...]) -> None:
    """However it was given; the request itself holds none."""
    wish = read_wish(options, Path("nowhere"), {"MINE": SECRET})

    assert wish.credentials.kind == kind
    assert tuple(value for _, value in wish.credentials.parts) == parts
    assert any(SECRET in value for value in wish.credentials.secrets.values())
    assert SECRET not in repr(wish)


def test_a_variable_that_is_not_set_is_named() -> None:
    """It is no secret that happens to look like a name."""
    with pytest.raises(UsageError, match="GITHUB_TOKEN is not set"):
        read_wish(Options(url="https://x.example/a", bearer="GITHUB_TOKEN"), Path("nowhere"), {})


def answers(schema: dict[str, object]) -> dict[str, object]:
    return {"200": {"content": {"application/json": {"schema": schema}}}}


SPEC = {
    "openapi": "3.0.0",
    "servers": [{"url": "https://api.example.org/{v}", "variables": {"v": {"default": "v2"}}}],
    "paths": {
        "/pets": {
            "parameters": [{"name": "page_size", "in": "query"}],
            "get": {
                "summary": "All pets",
                "parameters": [{"$ref": "#/components/parameters/Since"}],
                "responses": answers({"$ref": "#/components/schemas/Pets"}),
            },
        },
        "/pets/{id}/toys": {"get": {"responses": answers({"type": "array"})}},
        "/health": {"get": {"responses": answers({"type": "object"})}},
        "/broken": {"get": {"responses": {"200": {"$ref": "#/nowhere"}}}},
    },
    "components": {
        "parameters": {"Since": {"name": "changed_since", "in": "query"}},
        "schemas": {
            "Pet": {"type": "object"},
            "Page": {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}},
            "Pets": {"allOf": [{"$ref": "#/components/schemas/Page"}]},
        },
    },
}  # fmt: skip


def test_a_description_names_its_lists_and_their_parameters() -> None:
    """References are followed, and one that leads nowhere is no list."""
    assert base_of(SPEC) == "https://api.example.org/v2"
    (pets,) = listings(SPEC)
    assert (pets.path, pets.params) == ("/pets", ("page_size", "changed_since"))
    assert url_of(SPEC, "/pets") == "https://api.example.org/v2/pets"
    toys = listing_at(SPEC, "https://api.example.org/v2/pets/7/toys")
    assert toys is not None
    assert toys.path == "/pets/{id}/toys"
    assert listing_at(SPEC, "https://api.example.org/v2/other") is None


def test_a_description_completes_the_url(tmp_path: Path) -> None:
    """Its only list, or the one that was named; its parameters are tried first."""
    import json

    file = tmp_path / "spec.json"
    file.write_text(json.dumps(SPEC), encoding="utf-8")

    wish = read_wish(Options(openapi=file), tmp_path, {})
    assert wish.question.url == "https://api.example.org/v2/pets"
    assert wish.told == ("page_size", "changed_since")
    with pytest.raises(UsageError, match="nothing to read at /dogs; there is /broken, /health, /pets"):
        read_wish(Options(openapi=file, url="/dogs"), tmp_path, {})
    with pytest.raises(UsageError, match="needs values"):
        read_wish(Options(openapi=file, url="/pets/{id}/toys"), tmp_path, {})


def test_a_path_that_was_named_needs_no_schema_in_the_description(tmp_path: Path) -> None:
    """Many descriptions do not say what an answer holds: `name one of the lists: none` was no help."""
    file = tmp_path / "spec.yaml"
    file.write_text(
        "servers: [{url: 'https://api.example.org'}]\n"
        "paths: {/dogs: {get: {parameters: [{name: page, in: query}]}}, '/dogs/{id}/toys': {get: {}}}\n",
        encoding="utf-8",
    )

    assert read_wish(Options(openapi=file, url="/dogs"), tmp_path, {}).told == ("page",)
    toys = read_wish(Options(openapi=file, url="/dogs/7/toys"), tmp_path, {})
    assert toys.question.url == "https://api.example.org/dogs/7/toys"
    with pytest.raises(UsageError, match="does not say which answer is a list; name a path of it: /dogs, "):
        read_wish(Options(openapi=file), tmp_path, {})


def test_parameters_keep_their_place() -> None:
    """In the query, in a JSON body, and in the variables of a GraphQL query."""
    plain = Question(base_url="https://x.example", path="/a", params=(("page", "1"), ("q", "a b")))
    assert plain.asking({"page": 2, "limit": 5}).url == "https://x.example/a?page=2&q=a%20b&limit=5"
    assert plain.asking({"page": None}).url == "https://x.example/a?q=a%20b"
    posted = Question(method="POST", base_url="https://x.example", body={"query": "q", "variables": {"first": 1}},
                      carrier=("variables",))  # fmt: skip
    assert posted.asking({"after": "x"}).body == {"query": "q", "variables": {"first": 1, "after": "x"}}
    assert posted.given == {"first": 1}
