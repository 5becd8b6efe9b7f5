"""A 401 or 403 says where the credential came from, and the request can be pasted into a shell to try another one."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

SECRET = "quite-another-word-than-the-right-one"
LIST = """\
base_url: {url}
auth: AUTH
streams:
  items:
    path: /auth/DOOR/items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 10}}
    key: id
"""


def behind(door: str, auth: str) -> str:
    return LIST.replace("DOOR", door).replace("AUTH", auth)


SIGNED = {
    "bearer": ('{{bearer: "${{SHOP_TOKEN}}"}}', "the header Authorization (Bearer) came from SHOP_TOKEN"),
    "header": ('{{header: {{X-Api-Key: "${{SHOP_TOKEN}}"}}}}', "the header X-Api-Key came from SHOP_TOKEN"),
    "query": ('{{query: {{api_key: "${{SHOP_TOKEN}}"}}}}', "the parameter api_key came from SHOP_TOKEN"),
    "basic": ('{{basic: [ali, "${{SHOP_TOKEN}}"]}}', "the password of HTTP Basic came from SHOP_TOKEN"),
}

OAUTH2 = "{{oauth2: {{token_url: {url}/auth/basic/items, client_id: ali, client_secret: '${{SHOP_TOKEN}}'}}}}"
ODD = r"""
base_url: {url}
auth: {{query: {{key: "${{ODD_KEY}}"}}}}
headers: {{X-Mark: "it's \"$5\" `w` ! ${{ODD_SECRET}}", X-Empty: ""}}
streams:
  found:
    method: POST
    path: /lists/search
    params: {{"filter[name]": "a b&c"}}
    json: {{text: "it's \"$HOME\" `who` \\ é \n!", key: "${{ODD_SECRET}}"}}
    records: items
    pages: none
    key: id
"""


@pytest.fixture(params=list(SIGNED))
def door(request, lite):
    """The name of a door, with a source that knocks at it."""
    auth, _ = SIGNED[request.param]
    lite.configure(behind(request.param, auth), "doors")
    return request.param


def test_a_refusal_tells_which_variable_was_sent_and_where_that_is_written(lite, door) -> None:
    """In the object of a sync and in its log; the length tells a token from half of one, and no sign of it is shown."""
    told = f"{SIGNED[door][1]} (set, 37 characters), config/doors.yaml:2"

    done = lite.here("sync", "doors", "--json", SHOP_TOKEN=SECRET)

    assert done.code == 4
    assert told in done.stream("doors.items")["reason"]
    assert told in done.err
    assert SECRET[:4] not in done.out + done.err


def test_check_and_preview_tell_the_same_of_a_refusal(lite) -> None:
    """Three commands, one sentence."""
    auth, told = SIGNED["header"]
    lite.configure(behind("header", auth), "doors")

    check = lite.here("check", "doors", SHOP_TOKEN=SECRET)
    preview = lite.here("preview", "doors.items", SHOP_TOKEN=SECRET)

    assert check.code == preview.code == 4
    assert f"{told} (set, 37 characters), config/doors.yaml:2" in check.out
    assert f"{told} (set, 37 characters), config/doors.yaml:2" in preview.err
    assert "is it still valid, and of this API? `etl preview SEL --curl` prints the request" in preview.err


def test_a_refusal_without_auth_says_so_and_how_to_add_it(lite) -> None:
    """The challenge of the answer tells which way to sign."""
    lite.configure(behind("basic", "none"), "doors")
    lite.configure(behind("bearer", "none"), "gates")

    basic, bearer = lite.here("preview", "doors.items"), lite.here("preview", "gates.items")

    assert "why   config/doors.yaml has no `auth`; the answer begins" in basic.err
    assert "add auth: {basic: ['${DOORS_USER}', '${DOORS_PASSWORD}']}" in basic.err
    assert "add auth: {bearer: '${GATES_TOKEN}'}" in bearer.err


def test_a_key_among_the_headers_of_a_source_without_auth_is_told_too(lite) -> None:
    """`headers` and `params` may carry a credential as well as `auth` does."""
    lite.configure(behind("header", 'none\nheaders: {{X-Key: "${{SHOP_TOKEN}}"}}'), "doors")

    done = lite.here("preview", "doors.items", SHOP_TOKEN=SECRET)

    assert "has no `auth`; the header X-Key came from SHOP_TOKEN (set, 37 characters)" in done.err


def test_a_value_in_the_file_or_in_quotes_is_told_as_that(lite) -> None:
    """What goes wrong most often: a paste with its quotes, and an example that was never replaced."""
    lite.configure(behind("header", "{{header: {{X-Api-Key: placeholder}}}}"), "doors")
    written = lite.here("preview", "doors.items")
    lite.configure(behind("header", SIGNED["header"][0]), "doors")
    (lite.folder / ".env").write_text("SHOP_TOKEN=\"'swordfish'\"\n")
    quoted = lite.here("preview", "doors.items")

    assert "the header X-Api-Key stands in the configuration itself (11 characters)" in written.err
    assert "SHOP_TOKEN (set in .env, 11 characters, with quotes around it)" in quoted.err
    assert "swordfish" not in quoted.err


@pytest.mark.skipif(shutil.which("curl") is None, reason="the command is made for curl")
def test_the_command_of_preview_curl_opens_the_door_when_it_is_pasted(lite, door) -> None:
    """bash and curl get with the variable what a sync would get; the secret is not in the command."""
    command = lite.here("preview", "doors.items", "--curl", SHOP_TOKEN="open-sesame").out
    lite.asked()

    pasted = shell(command, SHOP_TOKEN="open-sesame")

    assert '"items":' in pasted, pasted
    assert "open-sesame" not in command
    assert "$SHOP_TOKEN" in command


@pytest.mark.skipif(shutil.which("curl") is None, reason="the command is made for curl")
def test_a_pasted_request_is_the_request_that_a_sync_sends(lite) -> None:
    """Quotes, dollars, backticks, line breaks, another alphabet, and secrets in header, query and body."""
    key, secret = "k+/=& é%", "top-secret"
    lite.configure(ODD, "odd")
    command = lite.here("preview", "odd.found", "--curl", ODD_KEY=key, ODD_SECRET=secret).out

    lite.here("preview", "odd.found", "--pages", "1", ODD_KEY=key, ODD_SECRET=secret)
    shell(command, ODD_KEY=key, ODD_SECRET=secret)

    calls = [line.call for line in lite.api.call(lambda api: list(api.requests))]
    sent, pasted = (
        (call.method, call.path, dict(call.query), named(call.headers), call.body) for call in (calls[0], calls[-1])
    )
    assert len(calls) > 1
    assert pasted == sent
    assert sent[2]["key"] == key
    assert secret.encode() in sent[4]
    assert key not in command
    assert secret not in command


def test_what_no_variable_holds_stays_masked_with_a_line_that_says_where_it_is(lite) -> None:
    """A value in the file, plainly or as a default, and a token that has to be fetched."""
    lite.configure(behind("header", "{{header: {{X-Api-Key: placeholder}}}}"), "doors")
    written = lite.here("preview", "doors.items", "--curl").out
    lite.configure(behind("header", '{{header: {{X-Api-Key: "${{NOBODYS:-placeholder}}"}}}}'), "doors")
    default = lite.here("preview", "doors.items", "--curl").out
    lite.configure(behind("header", OAUTH2), "doors")
    fetched = lite.here("preview", "doors.items", "--curl", SHOP_TOKEN=SECRET).out

    assert "placeholder" not in written + default
    assert default.startswith("# ***: the header X-Api-Key came from the default of NOBODYS (NOBODYS is not set), ")
    assert written.startswith(
        "# ***: the header X-Api-Key stands in the configuration itself (11 characters), config/doors.yaml:2\ncurl "
    )
    assert "'X-Api-Key: ***'" in written
    assert fetched.startswith(f"# *** is an access token that {lite.api.url}/auth/basic/items gives (auth.oauth2, ")
    assert "'Authorization: Bearer ***'" in fetched


def test_a_token_endpoint_that_refuses_names_where_the_client_came_from(lite) -> None:
    """Nothing was sent to the API yet; the client's credentials are what is wrong."""
    lite.configure(behind("header", OAUTH2), "doors")

    done = lite.here("preview", "doors.items", SHOP_TOKEN=SECRET)

    assert done.code == 4
    assert "gave no token for doors" in done.err
    assert "client_secret came from SHOP_TOKEN (set, 37 characters), config/doors.yaml:2" in done.err


def shell(command: str, **environ: str) -> str:
    """What the command prints when it is pasted into bash."""
    done = subprocess.run(
        ["bash", "-c", command], env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environ},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def named(headers) -> dict[str, str]:
    """Those that the configuration asks for."""
    return {name: value for name, value in headers.items() if name.startswith("x-") or name == "content-type"}
