"""Sources, streams and facts for the tests of the room that speaks HTTP."""

import pytest

from etl.model.page import PageFacts
from etl.model.selector import Selector, SelectorKind
from etl.model.source import Limits, Source
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window

KINDS = {kind.value: kind for kind in PagesKind}


def _template(value):
    if isinstance(value, dict):
        return {name: _template(member) for name, member in value.items()}
    if isinstance(value, list):
        return tuple(map(_template, value))
    return Template.parse(value) if isinstance(value, str) else value


class Kit:
    """Builds values from what a YAML file would say."""

    window = Window()

    @staticmethod
    def source(base_url="https://api.test/v1", **more):
        return Source(name="api", base_url=base_url, **more)

    @staticmethod
    def limits(**more):
        return Limits(**more)

    @staticmethod
    def paging(kind="none", **more):
        return Paging(kind=KINDS[kind], **more)

    def stream(self, path="/things", *, params=None, headers=None, json=None, form=None, method="GET", **more):
        pairs = {
            name: tuple((key, Template.parse(str(value))) for key, value in (given or {}).items())
            for name, given in (("params", params), ("headers", headers), ("form", form))
        }
        more.setdefault("pages", self.paging())
        return Stream(
            source="api",
            name="things",
            table="api_things",
            request=RequestTemplate(method=method, path=Template.parse(path), json=_template(json), **pairs),
            records=Records(path=Selector(SelectorKind.BODY, "data")),
            key=(("id",),),
            **more,
        )

    @staticmethod
    def facts(count=0, digest=b"", **more):
        return PageFacts(count=count, digest=digest, **more)


@pytest.fixture
def kit():
    return Kit()
