"""What `etl demo` shows: the configuration it writes, the API it starts, and the question it asks at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from etl.testing.behaviour import Behaviour
from etl.testing.fault_plan import Level, plan
from etl.testing.server import ApiServer, serve

ORDERS: Final = 12_400
CUSTOMERS: Final = 900
PAGE_SIZE: Final = 100
SEED: Final = 7
REJECTED_ORDERS: Final = 3
NEW_COLUMN: Final = "gift_note"
FIRST_SYNC: Final = ("shop.orders", "shop.customers")
SECOND_SYNC: Final = ("shop.orders",)
QUERY: Final = (
    "select status, count(*) as n, round(sum(total), 2) as total from shop_orders group by status order by n desc"
)

PROJECT_YAML: Final = "database: sqlite:///data.db\n"

_SHOP_YAML: Final = """\
base_url: {url}/api
streams:
  orders:
    path: /orders
    params: {updated_since: "{start}", until: "{end}", page: "{page}", pageSize: "{size}"}
    records: data
    pages: {number: 0, size: 100, total_rows: total}
    key: id
    incremental: {field: updated_at}
    columns: {total: numeric}
  customers:
    path: /customers
    params: {offset: "{offset}", limit: "{size}"}
    records: rows
    pages: {offset: 0, size: 100, total_rows: total}
    key: id
    order: {by: id, unique: true, immutable: true}
"""


def shop_yaml(url: str) -> str:
    """The source file of the demo for an API at `url` (no trailing slash)."""
    return _SHOP_YAML.replace("{url}", url, 1)


def files(url: str) -> Mapping[str, str]:
    """The files of the demo's configuration folder: name to text."""
    return {"etl.yaml": PROJECT_YAML, "shop.yaml": shop_yaml(url)}


@asynccontextmanager
async def demo_api(*, port: int = 0, faults: Level = "some", fast: bool = False) -> AsyncIterator[ApiServer]:
    """The API of the demo: a real port on loopback, some 429 and 500, and 20 ms before every answer unless `fast`."""
    behaviour = Behaviour(latency_s=0.0 if fast else 0.02)
    async with serve(
        port=port,
        seed=SEED,
        orders=ORDERS,
        customers=CUSTOMERS,
        behaviour=behaviour,
        faults=plan(faults, SEED),
    ) as api:
        yield api
