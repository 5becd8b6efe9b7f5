"""Questions of a proposal that a person can settle with yes, and the proposal after they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from etl.model.secret import Redactor
from etl.probe.writing import file_text
from etl.service.init import Proposal

_SETTLED = "confirmed by a person"


def open_questions(proposal: Proposal) -> Mapping[str, str]:
    """The question about each line that yes would settle; what only a documentation can tell is not among them."""
    draft = proposal.draft
    return {key: draft.checks[key] for key in draft.checks if key in draft.doubts}


def settled(proposal: Proposal, confirmed: Collection[str], *, now: datetime, redactor: Redactor) -> Proposal:
    """The proposal with these lines confirmed."""
    draft = proposal.draft
    for key in confirmed:
        draft.checks.pop(key)
        draft.notes[key] = "; ".join(filter(None, (draft.notes.get(key, ""), _SETTLED)))
    text = redactor(file_text(draft, now=now, requests=proposal.requests))
    return replace(proposal, text=text, checks=tuple(draft.checks.values()))
