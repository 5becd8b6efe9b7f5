"""A request as a command: what a shell makes of it is what would be sent."""

from __future__ import annotations

import shlex

import pytest

from etl.model.credential import Spelled, Variable
from etl.model.secret import Redactor
from etl.model.shell import ShellRequest, quoted

KEY = Variable(name="KEY", length=40)
USER = Variable(name="USER", length=3)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        pytest.param(("Authorization: Bearer ", KEY), '"Authorization: Bearer $KEY"', id="at the end"),
        pytest.param((USER, ":", KEY), '"${USER}:$KEY"', id="zsh reads on after a colon"),
        pytest.param((KEY, "s"), '"${KEY}s"', id="another sign of a name"),
        pytest.param((USER, KEY), '"${USER}$KEY"', id="side by side"),
        pytest.param(('a"b$c`d\\e', KEY), '"a\\"b\\$c\\`d\\\\e$KEY"', id="nothing else is expanded"),
        pytest.param(("wow! ", KEY), "'wow! '\"${KEY}\"", id="an exclamation mark is history to bash"),
        pytest.param(("it's $5\nü",), "'it'\"'\"'s $5\nü'", id="without a variable"),
        pytest.param((Variable(name="KEY", default="free"), "/x"), "free/x", id="a default is no secret"),
    ],
)
def test_a_word_is_quoted_so_that_a_shell_fills_its_variables_and_nothing_else(word: Spelled, shown: str) -> None:
    """Double quotes only where something has to be filled."""
    assert quoted(word) == shown


def test_a_request_for_a_shell_survives_the_shell() -> None:
    """Brackets, ampersands and quotes arrive as they are."""
    request = ShellRequest(
        method="POST",
        url=("https://api.test/things?filter[a]=1&b=it's",),
        headers=(("X-Key", ("***",)), ("X-Empty", ()), ("Content-Type", ("application/json",))),
        query=(("api key", (KEY,)),),
        body=('{"query": "{ me }"}',),
    )

    assert shlex.split(request.text) == [
        "curl", "--globoff", "--compressed", "--request", "POST", "--header", "X-Key: ***", "--header", "X-Empty;",
        "--header", "Content-Type: application/json", "--data-raw", '{"query": "{ me }"}', "--url-query",
        "api%20key=$KEY", "https://api.test/things?filter[a]=1&b=it's",
    ]  # fmt: skip


def test_what_a_shell_does_not_know_yet_is_told_before_the_command() -> None:
    """Variables of an env file, of a file of their own, and those that nobody set."""
    request = ShellRequest(
        method="GET",
        url=("https://api.test/", Variable(name="A", length=4, kind="env_file", file="config/.env")),
        user=(Variable(name="B", length=4, kind="own_file", file="/run/my secrets/b"), ":", Variable(name="C")),
    )

    assert request.text.splitlines()[:-1] == [
        "# A stands in config/.env; before: set -a; . config/.env; set +a",
        "# B is read from a file; before: B=$(cat '/run/my secrets/b')",
        "# C is not set",
    ]
    assert request.text.splitlines()[-1] == 'curl --globoff --compressed --user "${B}:$C" "https://api.test/$A"'


def test_a_secret_in_a_text_becomes_its_variable_or_a_mask() -> None:
    """As it stands it is the variable; in another spelling a shell could not make it."""
    redactor = Redactor(["a/b+c=d", "written-in-the-file"], {"a/b+c=d": KEY})

    assert redactor.spelled("x=a/b+c=d&y=1") == ("x=", KEY, "&y=1")
    assert redactor.spelled("x=a%2Fb%2Bc%3Dd") == ("x=", "***")
    assert redactor.spelled("written-in-the-file") == ("***",)
    assert redactor.spelled("") == ()
