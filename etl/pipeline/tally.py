"""How the members of a reading ended, in a word each; of very many only the first are kept apart."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from etl.model.verdict import Verdict

MOST: Final = 10_000
"""Members that are kept apart: memory is bounded, whatever the parent holds."""
FAILED: Final = "failed"
GONE: Final = "gone"
_WEAKEST_FIRST: Final = (FAILED, *(verdict.value for verdict in reversed(Verdict)), GONE)


@dataclass(slots=True)
class MemberTally:
    """Each member with its weakest word; a member may have many windows."""

    words: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True

    def take(self, member: str, word: str) -> None:
        """Add the end of one window: a verdict, `failed` or `gone`."""
        before = self.words.get(member)
        if before is None and len(self.words) >= MOST:
            self.is_whole = False
        elif before is None or _WEAKEST_FIRST.index(word) < _WEAKEST_FIRST.index(before):
            self.words[member] = word

    def text(self) -> str:
        """As JSON, the commonest word told once; empty for a stream without members."""
        if not self.words:
            return ""
        common = Counter(self.words.values()).most_common(1)[0][0]
        others = {member: word for member, word in self.words.items() if word != common}
        return json.dumps({"common": common, "others": others, "whole": self.is_whole}, ensure_ascii=False)
