"""A stream without `pages` is read once, and refused when the answer looks like the first of many."""

import json
from datetime import UTC, datetime

import pytest

from etl.errors import DataRefused
from etl.extract.sniffing import refuse_if_paged
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.window import Window


def page(rows, *, links=None, **envelope):
    body = json.dumps({"data": [{}] * rows, **envelope}).encode()
    return Page(
        request=PageRequest(window=Window(), position="first"),
        response=Response(
            status=200, headers={}, body=body, url="u", links=links or {}, started_at=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        facts=PageFacts(count=rows),
        block=RowBlock(version=1, rows=[], keys=[], hashes=[], cursors=[]),
    )


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (page(3, links={"next": "https://a.test/2"}), "pages: link"),
        (page(3, next="https://a.test/2"), "pages: {link: next}"),
        (page(3, paging={"nextPageToken": "x"}), "pages: {cursor: paging.nextPageToken}"),
        (page(3, has_more=True), "while: has_more"),
        (page(3, meta={"total": 40}), "total_rows: meta.total"),
        (page(100), "how the API pages"),
    ],
)
def test_signs_of_paging_stop_the_stream_with_the_line_to_write(kit, answer, line):
    """Guessing has loaded one page for months."""
    with pytest.raises(DataRefused) as caught:
        refuse_if_paged(kit.stream(file="config/api.yaml"), answer)

    assert line in caught.value.hint
    assert "config/api.yaml" in caught.value.hint


@pytest.mark.parametrize(
    "answer", [page(3), page(0), page(3, next=None), page(3, has_more=False), page(3, total=3), page(3, count=True)]
)
def test_an_answer_that_is_all_there_is_passes(kit, answer):
    """No next, nothing more, a total that is met."""
    assert refuse_if_paged(kit.stream(), answer) is None
