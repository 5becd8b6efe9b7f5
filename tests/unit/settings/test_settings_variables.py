"""Variables from the environment: data that is sent, never syntax, never shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.errors import ConfigError
from etl.model.template import Placeholder
from etl.settings.environment import Environment

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Configure, Problems

SHOP = """\
base_url: https://api.example.org
auth: {bearer: "${SHOP_TOKEN}"}
streams:
  items: {path: /items, key: id, pages: none}
  others: {path: "/o/${SHOP_TENANT}", key: id, pages: none}
"""


def test_a_variable_is_filled_and_becomes_a_secret(configure: Configure) -> None:
    """The value is in the source, and no message shows it."""
    settings = configure({"SHOP_TOKEN": "s3cret-token", "SHOP_TENANT": "acme"}, shop=SHOP)

    assert settings.sources["shop"].auth.values == ("s3cret-token",)
    assert settings.redactor("Bearer s3cret-token") == "Bearer ***"
    settings.require_secrets(settings.streams)


def test_secrets_are_not_in_any_repr(configure: Configure) -> None:
    """A traceback or a log line may show a value of the configuration."""
    settings = configure(
        {"SHOP_TOKEN": "s3cret-token", "DB": "postgresql://u:pw-of-db@h/d"}, shop=SHOP, etl="database: ${DB}"
    )

    assert "s3cret" not in repr(settings)
    assert "pw-of-db" not in repr(settings)


def test_a_missing_variable_is_told_only_to_those_who_send(configure: Configure) -> None:
    """`etl status` works without secrets; a sync of the stream does not."""
    settings = configure({"SHOP_TOKEN": "s3cret-token"}, shop=SHOP)
    items, others = settings.streams

    settings.require_secrets([items])
    with pytest.raises(ConfigError) as caught:
        settings.require_secrets([items, others])

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (5, 18, "streams.others.path")
    assert problem.message == "SHOP_TENANT is not set"
    assert problem.hint == "set SHOP_TENANT, or SHOP_TENANT_FILE to a file that holds it"


def test_a_source_s_variable_is_needed_by_all_its_streams(configure: Configure) -> None:
    """Told once, although two streams need it."""
    settings = configure({"SHOP_TENANT": "acme"}, shop=SHOP)

    with pytest.raises(ConfigError) as caught:
        settings.require_secrets(settings.streams)

    assert [problem.message for problem in caught.value.problems] == ["SHOP_TOKEN is not set"]


def test_an_empty_variable_counts_as_missing(configure: Configure) -> None:
    """A unit file that sets `TOKEN=` has forgotten it."""
    settings = configure({"SHOP_TOKEN": "", "SHOP_TENANT": "acme"}, shop=SHOP)

    with pytest.raises(ConfigError, match="SHOP_TOKEN is not set"):
        settings.require_secrets(settings.streams)


def test_a_default_stands_in_for_an_absent_variable(configure: Configure) -> None:
    """It stands in the file, so it is no secret."""
    settings = configure(shop=SHOP.replace("${SHOP_TOKEN}", "${SHOP_TOKEN:-public}").replace("${SHOP_TENANT}", "x"))

    assert settings.sources["shop"].auth.values == ("public",)
    assert settings.redactor("public") == "public"


def test_a_file_named_by_the_variable_holds_the_value(configure: Configure, tmp_path: Path) -> None:
    """Docker and Kubernetes mount secrets as files; the newline at the end is the editor's."""
    (tmp_path / "token").write_text("from-a-file\n")
    settings = configure({"SHOP_TOKEN_FILE": str(tmp_path / "token"), "SHOP_TENANT": "acme"}, shop=SHOP)

    assert settings.sources["shop"].auth.values == ("from-a-file",)


def test_the_variable_itself_wins_over_its_file(configure: Configure, tmp_path: Path) -> None:
    """The more direct of the two."""
    (tmp_path / "token").write_text("from-a-file\n")
    environ = {"SHOP_TOKEN": "direct", "SHOP_TOKEN_FILE": str(tmp_path / "token"), "SHOP_TENANT": "acme"}

    assert configure(environ, shop=SHOP).sources["shop"].auth.values == ("direct",)


def test_a_secret_file_that_is_not_there_is_a_problem(problems: Problems) -> None:
    """Not the same as unset: somebody meant it."""
    told = problems({"SHOP_TOKEN_FILE": "nowhere/token"}, shop=SHOP)

    assert told == [
        "shop.yaml:2:16: auth.bearer: the file that SHOP_TOKEN_FILE names cannot be read: No such file or directory"
    ]


def test_dot_env_files_are_read_and_the_environment_wins(configure: Configure, tmp_path: Path) -> None:
    """The nearer file wins over the one beside the folder, and both yield to the environment."""
    (tmp_path / "config").mkdir()
    (tmp_path / ".env").write_text("A=far\nB='far b'\nexport C=far # a comment\n\n# D=no\nnonsense\n")
    (tmp_path / "config" / ".env").write_text('B="near b"\n')
    environment = Environment.beside(tmp_path / "config", {"A": "direct"})

    assert [environment.lookup(name) for name in "ABCD"] == ["direct", "near b", "far", None]


def test_an_unreadable_dot_env_is_told(tmp_path: Path) -> None:
    """Passed over, its variables would be missing for no visible reason."""
    (tmp_path / "config").mkdir()
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")

    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        Environment.beside(tmp_path / "config", {})


def test_braces_in_a_secret_are_no_placeholders(configure: Configure) -> None:
    """What the environment brings is literal: `{page}` in a password stays what it is."""
    settings = configure(
        {"FILTER": "{page} } {{"},
        shop="""\
        base_url: https://api.example.org
        streams:
          items:
            path: /items
            params: {page: "{page}", filter: "${FILTER}"}
            pages: {number: 1}
            key: id
        """,
    )

    params = dict(settings.streams[0].request.params)
    assert params["filter"].render({"page": 3}) == "{page} } {{"
    assert params["page"].parts == (Placeholder("page"),)


def test_a_secret_cannot_finish_a_placeholder(problems: Problems) -> None:
    """`{` in the file and a name from the environment make no placeholder together."""
    told = problems(
        {"WORD": "page"},
        shop="""\
        base_url: https://api.example.org
        streams:
          items: {path: /items, params: {a: "{${WORD}}"}, key: id, pages: none}
        """,
    )

    assert "a lone '{'" in told[0]


def test_a_secret_cannot_bring_structure(configure: Configure) -> None:
    """YAML in a variable is a text like any other."""
    settings = configure(
        {"TOKEN": "x}\nlimits: {rate: 1/s}"},
        shop="""\
        base_url: https://api.example.org
        streams:
          items: {path: /items, method: POST, json: {token: "${TOKEN}"}, key: id, pages: none}
        """,
    )

    body = settings.streams[0].request.json
    assert body["token"].render({}) == "x}\nlimits: {rate: 1/s}"


def test_a_line_break_in_a_header_s_secret_is_refused(problems: Problems) -> None:
    """It would begin another header."""
    told = problems({"SHOP_TOKEN": "abc\r\nX-Evil: 1"}, shop=SHOP)

    assert told == ["shop.yaml:2:16: auth.bearer: holds a line break, which no header can carry"]


def test_a_dollar_brace_that_is_no_variable_is_refused(problems: Problems) -> None:
    """Sent as it stands, `${MY-NAME}` would be a strange path."""
    told = problems(shop=SHOP.replace("${SHOP_TENANT}", "${SHOP-TENANT}"))

    assert told == [
        "shop.yaml:5:18: streams.others.path: a `${` that begins no variable; write ${NAME} or ${NAME:-default}"
    ]


def test_literal_credentials_are_secrets_by_their_place(configure: Configure) -> None:
    """A key written into the file is masked too, and so is the header that basic auth makes."""
    settings = configure(shop=SHOP.replace('bearer: "${SHOP_TOKEN}"', "basic: [jane, open-sesame]"))

    assert settings.redactor("open-sesame") == "***"
    assert settings.redactor("Basic amFuZTpvcGVuLXNlc2FtZQ==") == "Basic ***"


def test_a_base_url_from_the_environment_waits_for_its_variable(configure: Configure) -> None:
    """Whether it is a URL can be told only when it is there."""
    text = "base_url: ${SHOP_URL}/v1/\nstreams:\n  items: {key: id, pages: none}\n"

    assert configure(shop=text).sources["shop"].base_url == "${SHOP_URL}/v1"
    assert configure({"SHOP_URL": "https://a.example"}, shop=text).sources["shop"].base_url == "https://a.example/v1"


def test_the_database_s_variable_is_needed_only_when_it_is_opened(configure: Configure) -> None:
    """`--database` makes the one in the file irrelevant."""
    settings = configure(etl="database: postgresql://etl:${PGPASSWORD}@db/x\n")

    assert [str(problem).partition("config/")[2] for problem in settings.project.missing] == [
        "etl.yaml:1:11: database: PGPASSWORD is not set (set PGPASSWORD, or PGPASSWORD_FILE to a file that holds it)"
    ]


def test_a_password_cannot_change_the_database_s_host(configure: Configure) -> None:
    """User and password from the environment are encoded, `%40` written by hand is left alone; hosts are not."""
    text = "database: postgresql://${U}:${P}@${H}/x\n"
    settings = configure({"U": "etl", "P": "a/b@c:d%40", "H": "db:5433"}, etl=text)

    assert settings.project.database == "postgresql://etl:a%2Fb%40c%3Ad%40@db:5433/x"
