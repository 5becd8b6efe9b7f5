"""How each member of a reading ended, told shortly and in bounded memory."""

from __future__ import annotations

import json

import pytest

from etl.pipeline import tally
from etl.pipeline.tally import MemberTally


def test_the_weakest_window_of_a_member_counts_and_the_commonest_word_is_told_once() -> None:
    """A member may have many windows; a thousand members of one kind are one word."""
    told = MemberTally()
    for name in "abcd":
        told.take(name, "consistent")
    told.take("b", "failed")
    told.take("b", "verified")
    told.take("e", "gone")

    assert json.loads(told.text()) == {"common": "consistent", "others": {"b": "failed", "e": "gone"}, "whole": True}


def test_of_very_many_members_only_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says that it does not speak for all of them."""
    monkeypatch.setattr(tally, "MOST", 2)
    told = MemberTally()
    for name in "abc":
        told.take(name, "verified")

    assert json.loads(told.text()) == {"common": "verified", "others": {}, "whole": False}


def test_a_stream_without_members_has_nothing_to_tell() -> None:
    """Its verdict stands beside it."""
    assert MemberTally().text() == ""
