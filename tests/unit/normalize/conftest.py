"""Streams and answers for the normalizer's tests."""

import json
from datetime import UTC, datetime

import pytest

from etl.model.instants import CursorFormat
from etl.model.page import PageRequest, Response
from etl.model.schema import ColumnType
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import ColumnChoice, Incremental, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.normalize import StreamDecoder


class Bench:
    """Builds decoders and feeds them items, as `{"data": [...]}`."""

    @staticmethod
    def body(path):
        return Selector(SelectorKind.BODY, path)

    def stream(self, *, records="data", pages=None, columns=None, cursor=None, add=(), key=("id",), **more):
        choices = {}
        for name, choice in (columns or {}).items():
            if choice in ("drop", "volatile"):
                choices[name] = ColumnChoice(drop=choice == "drop", volatile=choice == "volatile")
            else:
                choices[name] = ColumnChoice(type=ColumnType(choice))
        return Stream(
            source="api",
            name="things",
            table="api_things",
            request=RequestTemplate(path=Template.parse("/things")),
            records=records if isinstance(records, Records) else Records(path=self.body(records)),
            pages=pages or Paging(kind=PagesKind.NONE),
            key=tuple(tuple(path.split(".")) for path in key),
            columns=choices,
            add=tuple((name, Template.parse(text)) for name, text in add),
            incremental=Incremental(field=tuple(cursor[0].split(".")), format=CursorFormat(cursor[1]))
            if cursor
            else None,
            **more,
        )

    def decoder(self, dialect="sqlite", schema=None, max_record_bytes=16 * 1024 * 1024, **options):
        return StreamDecoder(self.stream(**options), schema, dialect, max_record_bytes=max_record_bytes)

    def feed(self, decoder, *items, window=None, headers=None, links=None, **envelope):
        return self.answer(
            decoder, json.dumps({"data": list(items), **envelope}), window=window, headers=headers, links=links
        )

    @staticmethod
    def answer(decoder, body, *, window=None, headers=None, links=None, status=200):
        response = Response(
            status=status,
            headers=headers or {},
            links=links or {},
            body=body if isinstance(body, bytes) else body.encode(),
            url="http://api/things",
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        return decoder.decode(PageRequest(window=window or Window(), position="1"), response)

    @staticmethod
    def types(decoder):
        return {column.name: str(column.type) for column in decoder.schema.columns}


@pytest.fixture
def bench():
    return Bench()
