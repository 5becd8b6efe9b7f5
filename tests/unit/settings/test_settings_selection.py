"""Which streams a command means."""

from __future__ import annotations

import pytest

from etl.errors import UsageError
from etl.model.selector import Selector
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.settings import select


def stream(source: str, name: str, *tags: str) -> Stream:
    return Stream(
        source=source,
        name=name,
        table=f"{source}_{name}",
        request=RequestTemplate(path=Template.parse("/x")),
        records=Records(path=Selector.parse("")),
        pages=Paging(kind=PagesKind.NONE),
        tags=tags,
    )


STREAMS = (
    stream("github", "issues", "hourly"),
    stream("github", "comments"),
    stream("gitlab", "issues", "daily", "slow"),
)


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([], ["github.issues", "github.comments", "gitlab.issues"]),
        (["github"], ["github.issues", "github.comments"]),
        (["github.comments"], ["github.comments"]),
        (["*.issues"], ["github.issues", "gitlab.issues"]),
        (["git*"], ["github.issues", "github.comments", "gitlab.issues"]),
        (["tag:hourly"], ["github.issues"]),
        (["tag:*"], ["github.issues", "gitlab.issues"]),
        (["gitlab", "github.issues", "*.issues"], ["github.issues", "gitlab.issues"]),
    ],
    ids=lambda value: " ".join(value) or "everything",
)
def test_selectors_name_streams(selectors: list[str], expected: list[str]) -> None:
    """Each stream once, in the order of the configuration, whatever the order of the selectors."""
    assert [chosen.id for chosen in select(STREAMS, selectors)] == expected


@pytest.mark.parametrize(
    ("selector", "what", "hint"),
    [
        ("gihub", "no source or stream is called 'gihub'", "did you mean github?"),
        ("github.isues", "no source or stream is called 'github.isues'", "did you mean github.issues?"),
        ("tag:hourl", "no stream has the tag 'hourl'", "did you mean hourly?"),
        ("tag:x", "no stream has the tag 'x'", "there are daily, hourly, slow"),
        (
            "zzz*",
            "no source or stream matches 'zzz*'",
            "there are github, gitlab, github.comments, github.issues, gitlab.issues",
        ),
    ],
)
def test_a_selector_that_names_nothing_is_refused(selector: str, what: str, hint: str) -> None:
    """Nothing selected must not look like nothing to do."""
    with pytest.raises(UsageError) as caught:
        select(STREAMS, ["github", selector])

    assert caught.value.what == what
    assert caught.value.hint == hint


def test_a_tag_where_no_stream_has_one_tells_how_to_write_it() -> None:
    """The names of streams would be no help."""
    with pytest.raises(UsageError, match="no stream has the tag 'hourly'") as caught:
        select(STREAMS[1:2], ["tag:hourly"])

    assert caught.value.hint == "no stream has one yet; write tags: [NAME] in its file"


def test_without_streams_a_selector_points_to_init() -> None:
    """The configuration is empty."""
    with pytest.raises(UsageError, match="nothing is configured"):
        select((), ["github"])


def test_what_is_excluded_is_left_out() -> None:
    """By the same words; without a selector of all."""
    assert [found.id for found in select(STREAMS, (), ["tag:slow", "github.comments"])] == ["github.issues"]
    assert [found.id for found in select(STREAMS, ["git*"], ["github"])] == ["gitlab.issues"]


@pytest.mark.parametrize(
    ("exclude", "told"), [(["gitlub"], "no source or stream is called 'gitlub'"), (["*.*"], "no stream is left")]
)
def test_an_exclusion_of_nothing_or_of_all_is_refused(exclude: list[str], told: str) -> None:
    """One is a slip of the pen, with the other nothing would be done and nothing said."""
    with pytest.raises(UsageError, match=told):
        select(STREAMS, (), exclude)
