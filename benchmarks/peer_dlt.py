"""dlt as a contestant: `default` as its documentation shows, `expert` as fast as somebody who knows it gets it.

expert: pages are fetched side by side with `dlt.defer`, and one Arrow table a page goes past dlt's row normaliser. That
is a hand-written schema; nothing is inferred.
"""

from __future__ import annotations

import argparse
import os
import threading
from typing import Any

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--mode", choices=("default", "expert"), default="default")
parser.add_argument("--base-url", required=True)
parser.add_argument("--database", required=True)
parser.add_argument("--size", type=int, default=100)
parser.add_argument("--folder", required=True)
given = parser.parse_args()

# dlt reads its settings while it is imported.
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DLT_DATA_DIR": given.folder}
if given.mode == "expert":
    os.environ |= {
        "EXTRACT__WORKERS": "20",
        "EXTRACT__MAX_PARALLEL_ITEMS": "20",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "EXTRACT__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "LOAD__WORKERS": "4",
    }

import dlt  # noqa: E402

POSTGRESQL = given.database.startswith("postgres")


def by_default() -> Any:
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
    from dlt.sources.rest_api import rest_api_source

    return rest_api_source(
        {
            "client": {
                "base_url": given.base_url,
                "paginator": PageNumberPaginator(base_page=0, page_param="page", total_path="totalPages"),
            },
            "resources": [
                {
                    "name": "items",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {"path": "items", "params": {"pageSize": given.size}, "data_selector": "items"},
                }
            ],
        }
    )


def by_expert() -> Any:
    import orjson
    import pyarrow as pa
    import requests

    text, double, whole = pa.string(), pa.float64(), pa.int64()
    schema = pa.schema(
        [
            ("id", whole), ("uuid", text), ("name", text), ("email", text), ("price", double), ("quantity", whole),
            ("active", pa.bool_()), ("created_at", text), ("updated_at", text), ("address__street", text),
            ("address__city", text), ("address__country", text), ("address__geo__lat", double),
            ("address__geo__lon", double), ("tags", text), ("notes", text), ("status", text), ("score", double),
        ]
    )  # fmt: skip
    mine = threading.local()

    def fetch(page: int) -> Any:
        session = getattr(mine, "session", None)
        if session is None:
            session = mine.session = requests.Session()
        answer = session.get(f"{given.base_url}/items", params={"page": page, "pageSize": given.size})
        answer.raise_for_status()
        return orjson.loads(answer.content)

    def table(items: list[Any]) -> Any:
        for item in items:
            address = item.pop("address")
            geo = address.pop("geo")
            item |= {f"address__{name}": value for name, value in address.items()}
            item |= {f"address__geo__{name}": value for name, value in geo.items()}
            item["tags"] = orjson.dumps(item["tags"]).decode()
        return pa.Table.from_pylist(items, schema=schema)

    merge: Any = {"disposition": "merge", "strategy": "upsert"} if POSTGRESQL else "merge"

    @dlt.resource(name="items", primary_key="id", write_disposition=merge)
    def items() -> Any:
        @dlt.defer
        def one(page: int) -> Any:
            return table(fetch(page)["items"])

        for page in range(fetch(0)["totalPages"]):
            yield one(page)

    return items()


def main() -> None:
    if POSTGRESQL:
        # dlt wants a host in front even where the address names a socket, which goes before it.
        destination: Any = dlt.destinations.postgres(credentials=given.database.replace("@/", "@localhost/"))
    else:
        destination = dlt.destinations.sqlalchemy(credentials=given.database)
    pipeline = dlt.pipeline(
        "bench", destination=destination, dataset_name="bench" if POSTGRESQL else "main", pipelines_dir=given.folder
    )
    pipeline.run(by_default() if given.mode == "default" else by_expert()).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
