"""Tokens of OAuth2: fetched once for all, renewed in time and after a refusal, kept when they rotate, shown nowhere."""

import asyncio
import base64
import json
import stat
from urllib.parse import parse_qsl

import pytest

from etl.errors import AuthRefused, GaveUp, SourceUnavailable
from etl.extract import open_source
from etl.model.secret import Redactor
from etl.model.source import Auth, OAuth2, Source

SECRET, FIRST = "CANARY-client-secret", "CANARY-refresh-0"


class TokenServer:
    """The model of a token endpoint: knows one client, gives a new access token each time, and may rotate."""

    def __init__(self, wire, *, styles=("basic", "body"), lifetime=3600, rotates=False):
        self.wire, self.styles, self.lifetime, self.rotates = wire, styles, lifetime, rotates
        self.forms, self.given, self.refresh_token, self.valid = [], 0, FIRST, set()

    def __call__(self, seen):
        form = dict(parse_qsl(seen.body.decode()))
        self.forms.append(form)
        pair = base64.b64encode(f"client:{SECRET}".encode()).decode()
        by_header = seen.headers.get("authorization") == f"Basic {pair}"
        known = ("basic" in self.styles and by_header) or (
            "body" in self.styles and (form.get("client_id"), form.get("client_secret")) == ("client", SECRET)
        )
        if not known:
            return self.wire.reply({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token" and form.get("refresh_token") != self.refresh_token:
            return self.wire.reply({"error": "invalid_grant", "error_description": "it was used before"}, 400)
        self.given += 1
        token = f"CANARY-access-{self.given}"
        self.valid = {token}
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        if self.rotates:
            self.refresh_token = answer["refresh_token"] = f"CANARY-refresh-{self.given}"
        return self.wire.reply(answer)


class Api:
    """Answers with items to whoever sends a valid token."""

    def __init__(self, wire, tokens):
        self.wire, self.tokens, self.authorizations = wire, tokens, []

    def __call__(self, seen):
        self.authorizations.append(seen.headers.get("authorization", ""))
        if self.authorizations[-1].removeprefix("Bearer ") not in self.tokens.valid:
            return self.wire.reply({"error": "expired"}, 401)
        return self.wire.reply([1, 2])


@pytest.fixture
async def world(bench, server, serving, wire, stack, clock, tmp_path):
    """An API, its token endpoint on another host, and a way to open the source."""

    class World:
        folder = tmp_path / "tokens"
        redactor = Redactor([SECRET, FIRST])
        token_host = None

        async def begin(self, *, grant="client_credentials", refresh_token="", retries=5, client="", **more):
            self.token_host = self.token_host or await serving()
            self.tokens = TokenServer(wire, **more)
            self.api = Api(wire, self.tokens)
            self.token_host.plays(self.tokens)
            server.plays(self.api)
            await self.open(grant=grant, refresh_token=refresh_token, client=client, retries=retries)
            return self

        async def open(self, *, grant="client_credentials", refresh_token="", client="", retries=5):
            auth = Auth(
                kind="oauth2",
                oauth2=OAuth2(
                    token_url=f"{self.token_host.url}/oauth/token",
                    grant=grant,
                    client_id="client",
                    client_secret=SECRET,
                    refresh_token=refresh_token,
                    scope="read all",
                    client=client,
                ),
            )
            limits = (await bench.client(server.url, retries=retries))._wiring.source.limits
            bench.source = await stack.enter_async_context(
                open_source(
                    Source(name="api", base_url=server.url, limits=limits, auth=auth),
                    clock=clock,
                    listener=bench.events.append,
                    redactor=self.redactor,
                    tokens=self.folder,
                )
            )

        async def fetch(self):
            return await bench.stream().fetch(wire.first())

        def kept(self):
            return json.loads((self.folder / "api.json").read_text())["refresh_token"]

    return World()


async def test_one_token_serves_requests_side_by_side(world):
    """Twenty workers, one fetch; the credentials of the client go to the token endpoint only."""
    await world.begin()

    pages = await asyncio.gather(*(world.fetch() for _ in range(20)))

    assert [page.facts.count for page in pages] == [2] * 20
    assert world.tokens.forms == [{"grant_type": "client_credentials", "scope": "read all"}]
    assert set(world.api.authorizations) == {"Bearer CANARY-access-1"}


async def test_a_token_is_renewed_before_it_expires(world, clock):
    """An hour's token is used for 59 minutes."""
    await world.begin(lifetime="3600")
    await world.fetch()
    await clock.sleep(3539)
    await world.fetch()

    await clock.sleep(2)
    await world.fetch()

    assert world.tokens.given == 2
    assert world.api.authorizations == ["Bearer CANARY-access-1"] * 2 + ["Bearer CANARY-access-2"]


async def test_a_refused_token_is_renewed_once_for_all_and_the_requests_are_sent_again(world):
    """The server forgot its tokens half way; no request is lost, and the ledger hears of the refusal."""
    await world.begin()
    await world.fetch()
    world.tokens.valid = set()

    pages = await asyncio.gather(*(world.fetch() for _ in range(5)))

    assert [page.facts.count for page in pages] == [2] * 5
    assert [[tried.reason for tried in page.failed_tries] for page in pages] == [["401"]] * 5
    assert world.tokens.given == 2


async def test_a_fresh_token_that_is_refused_ends_the_request(world):
    """It is the permission that is missing, not the token."""
    await world.begin()
    world.api.tokens = type("Nobody", (), {"valid": set()})

    with pytest.raises(AuthRefused) as caught:
        await world.fetch()

    assert caught.value.status == 401
    assert world.tokens.given == 2


@pytest.mark.parametrize(("styles", "requests"), [(("basic",), 1), (("body",), 2)])
async def test_the_way_a_client_identifies_itself_is_found_out(world, styles, requests):
    """HTTP Basic is what every server has to read, and some read only the body."""
    await world.begin(styles=styles)

    await world.fetch()

    assert len(world.tokens.forms) == requests
    assert ("client_secret" in world.tokens.forms[-1]) == (styles == ("body",))


async def test_a_declared_way_is_the_only_one_tried(world):
    """`client: body` never sends a header."""
    await world.begin(styles=("body",), client="body")

    await world.fetch()

    assert len(world.tokens.forms) == 1
    assert "authorization" not in world.token_host.seen[0].headers


async def test_a_wrong_secret_ends_with_what_to_do(world):
    """Exit 4; both ways were tried, and no secret is in the message."""
    await world.begin(styles=())

    with pytest.raises(AuthRefused) as caught:
        await world.fetch()

    error = caught.value
    assert error.exit_code == 4
    assert error.why == "invalid_client"
    assert error.hint == "compare client_id and client_secret with the API's console"
    assert len(world.tokens.forms) == 2
    assert "CANARY" not in f"{error} {error.hint} {error.data}"


async def test_a_failing_endpoint_is_asked_again_and_given_up(world, wire):
    """A 503 passes; when it does not, the request has had its tries, and nothing was sent to the API."""
    await world.begin(retries=1)
    world.token_host.plays(wire.reply({"error": "busy"}, 503))

    with pytest.raises(GaveUp) as caught:
        await world.fetch()

    assert [tried.reason for tried in caught.value.failed_tries] == ["503", "503"]
    assert len(world.token_host.seen) == 2
    assert world.api.authorizations == []


async def test_workers_that_wait_for_one_fetch_share_its_failure(world, wire, bench):
    """Each by itself would send a storm to an endpoint that is down; the whole source waits instead."""
    await world.begin()
    world.token_host.plays(wire.reply({"error": "busy"}, 503))
    tokens = bench.source._wiring.tokens

    found = await asyncio.gather(*(tokens.current() for _ in range(10)), return_exceptions=True)

    assert len(world.token_host.seen) == 1
    assert {(type(error), error.retry_after_s) for error in found} == {(SourceUnavailable, 0.0)}


async def test_a_redirect_of_the_endpoint_is_not_followed(world, wire, serving):
    """It would carry the secret of the client to a host nobody wrote down."""
    await world.begin()
    other = await serving()
    world.token_host.plays(wire.reply(b"", 307, Location=f"{other.url}/token"))

    with pytest.raises(AuthRefused):
        await world.fetch()

    assert other.seen == []


async def test_an_answer_that_is_no_token_is_refused_without_being_shown(world, wire):
    """A page about tokens, or one whose names are different."""
    await world.begin()
    world.token_host.plays(wire.reply({"accessToken": "CANARY-elsewhere"}))

    with pytest.raises(AuthRefused) as caught:
        await world.fetch()

    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


async def test_a_rotated_refresh_token_outlives_the_process(world):
    """The first run is given another one; the next run, with the old configuration, presents that one."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    await world.fetch()

    await world.open(grant="refresh_token", refresh_token=FIRST)
    await world.fetch()

    assert [form["refresh_token"] for form in world.tokens.forms] == [FIRST, "CANARY-refresh-1"]
    assert world.kept() == "CANARY-refresh-2"


async def test_a_rotated_refresh_token_is_on_the_disk_before_its_access_token_is_used(world):
    """A crash between the two would leave only a token that is spent."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    kept = []
    answer = world.api
    answer_of = Api.__call__

    class Watching(Api):
        def __call__(self, seen):
            kept.append(world.kept())
            return answer_of(self, seen)

    answer.__class__ = Watching
    await world.fetch()

    assert kept == ["CANARY-refresh-1"]


async def test_the_kept_token_is_readable_by_its_owner_only(world):
    """As an ssh key: folder 0700, file 0600."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    await world.fetch()

    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((world.folder / "api.json").stat().st_mode) == 0o600


async def test_a_newly_configured_refresh_token_wins_over_the_kept_one(world):
    """Whoever authorized again wants the new one."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    await world.fetch()
    world.tokens.refresh_token = "CANARY-authorized-again"

    await world.open(grant="refresh_token", refresh_token="CANARY-authorized-again")
    await world.fetch()

    assert world.tokens.forms[-1]["refresh_token"] == "CANARY-authorized-again"


async def test_a_spent_refresh_token_ends_with_what_to_do(world):
    """Exit 4 and the remedy; the server's words are told."""
    await world.begin(grant="refresh_token", refresh_token="CANARY-spent")

    with pytest.raises(AuthRefused) as caught:
        await world.fetch()

    assert caught.value.why == "invalid_grant: it was used before"
    assert "authorize once more" in caught.value.hint


async def test_nothing_is_sent_where_a_new_refresh_token_could_not_be_kept(world):
    """A server that rotates would have spent the old one for nothing."""
    world.folder.write_text("a file stands where the folder should be")
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)

    with pytest.raises(AuthRefused) as caught:
        await world.fetch()

    assert world.token_host.seen == []
    assert "ETL_TOKENS" in caught.value.hint


async def test_two_runs_of_one_source_refresh_one_after_the_other(world, bench, wire):
    """Both at once with one token would look like theft, and the server would end the chain."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    one = bench.stream()
    await world.open(grant="refresh_token", refresh_token=FIRST)
    other = bench.stream()

    pages = await asyncio.gather(one.fetch(wire.first()), other.fetch(wire.first()))

    assert [page.facts.count for page in pages] == [2, 2]
    assert [form["refresh_token"] for form in world.tokens.forms][:2] == [FIRST, "CANARY-refresh-1"]


async def test_fetched_tokens_are_masked_wherever_they_turn_up(world):
    """They were not in the configuration when it was read."""
    await world.begin(grant="refresh_token", refresh_token=FIRST, rotates=True)
    await world.fetch()

    assert world.redactor("x CANARY-access-1 y CANARY-refresh-1 z") == "x *** y *** z"
