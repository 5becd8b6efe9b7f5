"""`etl init`: from a URL to a file in `config/` that a sync can run with, and the evidence for every line of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from etl.errors import EtlError, GaveUp, TryAgain, UsageError
from etl.model.page import Response
from etl.model.secret import Redactor
from etl.model.source import Auth, Limits, Source
from etl.ports import Clock
from etl.probe.access import Credentials
from etl.probe.draft import Draft, Evidence
from etl.probe.question import Question
from etl.probe.writing import MODELINE, env_example, file_text
from etl.service.probing.investigate import Case, investigate
from etl.service.probing.lab import Lab
from etl.settings import json_schema

REQUESTS: Final = 8
FEWEST: Final = 2
_DEADLINE: Final = timedelta(seconds=30)
_PROJECT: Final = f"""\
{MODELINE}
# The project: which database, and what all sources share. Every other file here is one source.
database: sqlite:///data/etl.db # or postgresql://etl:${{PGPASSWORD}}@localhost/warehouse
"""


class Prober(Protocol):
    """An open source for single requests whose answers are looked at raw."""

    async def raw(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...] = (), content: bytes | None = None
    ) -> Response: ...


OpenProber = Callable[[Source, Redactor], AbstractAsyncContextManager[Prober]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for, read and checked. `requests` is the most that may be sent."""

    source: str
    stream: str
    question: Question
    credentials: Credentials
    requests: int = REQUESTS
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The file as it would be written. `checks` are the questions that stayed open."""

    source: str
    stream: str
    text: str
    evidence: tuple[Evidence, ...]
    checks: tuple[str, ...]
    variables: tuple[str, ...]
    requests: int
    draft: Draft = field(repr=False)


async def propose(wish: Wish, open_prober: OpenProber, clock: Clock) -> Proposal:
    """Investigate and write the text; nothing is stored. Raises what the first request raises."""
    redactor = Redactor(wish.credentials.secrets.values())
    lab_clock = clock
    async with open_prober(source_of(wish), redactor) as prober:
        lab = Lab(prober.raw, lab_clock, budget=max(wish.requests, FEWEST))
        case = Case(
            source=wish.source, stream=wish.stream, question=wish.question, credentials=wish.credentials,
            now=clock.now(), told=wish.told,
        )  # fmt: skip
        try:
            draft = await investigate(lab, case)
        except TryAgain as error:
            raise GaveUp(error.what, why=error.why, hint=error.hint or "is the server running?") from error
    text = redactor(file_text(draft, now=clock.now(), requests=lab.sent))
    return Proposal(
        source=wish.source,
        stream=wish.stream,
        text=text,
        evidence=tuple(draft.evidence),
        checks=tuple(draft.checks.values()),
        variables=tuple(wish.credentials.secrets),
        requests=lab.sent,
        draft=draft,
    )


def source_of(wish: Wish) -> Source:
    """The source to ask, with the secrets in their places."""
    given = wish.credentials
    values = tuple(given.filled(value) for _, value in given.parts)
    pairs = tuple((name, given.filled(value)) for name, value in given.parts)
    auth = Auth()
    match given.kind:
        case "bearer":
            auth = Auth(kind="bearer", values=values)
        case "basic":
            auth = Auth(kind="basic", values=values)
        case "header":
            auth = Auth(kind="header", pairs=pairs)
        case "query":
            auth = Auth(kind="query", pairs=pairs)
    return Source(
        name=wish.source,
        base_url=wish.question.base_url,
        auth=auth,
        headers=tuple((name, given.filled(value)) for name, value in given.headers),
        limits=Limits(timeout=_DEADLINE, retries=0, concurrency=1),
    )


def path_of(config: Path, source: str) -> Path:
    """Where the file of a source goes."""
    return config / f"{source}.yaml"


def refuse_to_overwrite(config: Path, source: str) -> None:
    """Raises UsageError where the file is there already. Asked before anything is sent."""
    path = path_of(config, source)
    other = path.with_suffix(".yml")
    for there in (path, other):
        if there.exists():
            raise UsageError(
                f"{there} is there already", hint="--name gives the source another name, --force replaces the file"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that a proposal became. `others` were made or changed beside the source's own."""

    path: Path
    others: tuple[Path, ...]


def write(config: Path, proposal: Proposal) -> Written:
    """Store the proposal, the schema that its first line names, and what a new folder needs."""
    import json

    try:
        config.mkdir(parents=True, exist_ok=True)
        others: list[Path] = []
        project = config / "etl.yaml"
        if not project.exists() and not project.with_suffix(".yml").exists():
            others.append(_put(project, _PROJECT))
        schema = config / ".schema" / "etl.json"
        schema.parent.mkdir(exist_ok=True)
        _put(schema, json.dumps(json_schema(), indent=2) + "\n")
        if proposal.variables:
            example = config.resolve().parent / ".env.example"
            before = example.read_text(encoding="utf-8") if example.exists() else ""
            after = env_example(before, proposal.variables)
            if after != before:
                others.append(_put(example, after))
        path = _put(path_of(config, proposal.source), proposal.text)
    except OSError as error:
        raise UsageError(f"{error.filename or config} cannot be written: {error.strerror}") from None
    return Written(path=path, others=tuple(others))


def _put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def as_object(proposal: Proposal, path: str, code: int) -> Mapping[str, object]:
    """The proposal for `--json`."""
    return {
        "source": proposal.source,
        "stream": f"{proposal.source}.{proposal.stream}",
        "path": path,
        "requests": proposal.requests,
        "evidence": [
            {"about": one.about, "text": one.text, "note": one.note, "sure": one.sure} for one in proposal.evidence
        ],
        "checks": list(proposal.checks),
        "variables": list(proposal.variables),
        "yaml": proposal.text,
        "exit_code": code,
    }


__all__ = ["EtlError", "Proposal", "Wish", "Written", "as_object", "propose", "refuse_to_overwrite", "write"]
