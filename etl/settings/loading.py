"""Reading a config folder: `etl.yaml` is the project, every other `*.yaml` beside it a source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from etl.errors import ConfigError, Problem
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.model.stream import Stream
from etl.settings.building.desk import Desk
from etl.settings.building.project import build_project
from etl.settings.building.rules import check_host, check_parents, check_stream, check_tables
from etl.settings.building.source import build_source
from etl.settings.building.stream import build_stream
from etl.settings.document import Document, Unreadable, read_document
from etl.settings.environment import Environment
from etl.settings.expressions import without_bad_expressions
from etl.settings.fingerprint import fingerprint
from etl.settings.format.limits import LimitsPart
from etl.settings.format.project import ProjectPart
from etl.settings.format.source import SourcePart
from etl.settings.format.stream import StreamPart
from etl.settings.hooks import hook_problem
from etl.settings.layers import Layer, Merged, merge
from etl.settings.problems import read_part
from etl.settings.project import Project
from etl.settings.settings import Settings
from etl.settings.unsupported import asked_for, refusal

PROJECT_FILE: Final = "etl"
_SUFFIXES: Final = (".yaml", ".yml")
_NOTHING: Final[Mapping[str, object]] = {}
_NAME: Final = re.compile(r"[a-z0-9_]{1,48}")


def load(config: Path, *, environ: Mapping[str, str]) -> Settings:
    """Read, fill and check everything. Cheap, and sends nothing.

    Raises ConfigError with every problem of every file. Variables nobody set are no problem yet: see
    `Settings.require_secrets`.
    """
    if not config.is_dir():
        what = Problem(
            file=str(config),
            line=0,
            column=0,
            path="",
            message="there is no such folder",
            hint="`etl init URL` writes one from the answers of an API, `etl demo` one to look at",
        )
        raise ConfigError((what,))
    loading = _Loading(Desk(Environment.beside(config, environ)))
    settings = loading.folder(config)
    if loading.desk.problems:
        raise ConfigError(tuple(sorted(dict.fromkeys(loading.desk.problems), key=_by_place)))
    return settings


def _by_place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


class _Loading:
    """One reading of a config folder."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.sources: dict[str, Source] = {}
        self.streams: list[tuple[Stream, Merged]] = []

    def folder(self, config: Path) -> Settings:
        documents = self._documents(config)
        project_document = documents.pop(PROJECT_FILE, None)
        project, defaults = self._project(project_document) if project_document else (Project(), _NOTHING)
        for name, document in documents.items():
            self._source(name, document, project_document, defaults)
        check_tables(self.desk, self.streams)
        self._check_hooks(config, documents)
        check_parents(self.desk, self.streams)
        return Settings(
            project=project,
            sources=self.sources,
            streams=tuple(stream for stream, _ in self.streams),
            redactor=Redactor((*self.desk.environment.secrets, *self.desk.secrets), self.desk.environment.by_text),
            config=config,
            variables=self.desk.environment.described,
            missing={owner: tuple(problems) for owner, problems in self.desk.missing.items()},
            written={stream.id: merged.data for stream, merged in self.streams},
        )

    def _documents(self, config: Path) -> dict[str, Document]:
        found: dict[str, Document] = {}
        for path in _files(config):
            name = path.stem
            if not _NAME.fullmatch(name):
                self._complain(path, f"{name!r} is no possible name of a source", "a-z, 0-9 and _, at most 48 of them")
            elif name in found:
                self._complain(path, f"there is another file for {name!r}: {found[name].file}", "")
            else:
                try:
                    found[name] = read_document(path, str(path))
                except Unreadable as unreadable:
                    self.desk.report(*unreadable.problems)
        return found

    def _check_hooks(self, config: Path, documents: Mapping[str, Document]) -> None:
        for source in self.sources.values():
            if source.auth.kind == "hook":
                found = hook_problem(config, source.auth.values[0])
                self.desk.report(*_hook_told(found, documents[source.name].problem, ("auth", "hook")))
        for stream, merged in self.streams:
            if stream.item_hook:
                found = hook_problem(config, stream.item_hook)
                self.desk.report(*_hook_told(found, merged.problem, ("hooks", "item")))

    def _complain(self, path: Path, message: str, hint: str) -> None:
        self.desk.report(Problem(file=str(path), line=0, column=0, path="", message=message, hint=hint))

    def _project(self, document: Document) -> tuple[Project, Mapping[str, object]]:
        defaults = _map(document.data, "defaults")
        self._refuse(document, (), ("defaults",))
        part = read_part(ProjectPart, document, document.data)
        if isinstance(part, tuple):
            self.desk.report(*part)
            return Project(), _NOTHING
        return build_project(part, document, self.desk), defaults

    def _source(
        self, name: str, document: Document, project: Document | None, project_defaults: Mapping[str, object]
    ) -> None:
        data = _map(document.data)
        refused = self._refuse(document, (), ("defaults",), *(("streams", stream) for stream in _map(data, "streams")))
        part = read_part(SourcePart, document, document.data)
        if isinstance(part, tuple):
            # What this version cannot do is told already, and may be unknown at that place besides.
            self.desk.report(*(problem for problem in part if problem.path not in refused))
            document = without_bad_expressions(SourcePart, document)
            data, part = _map(document.data), read_part(SourcePart, document, document.data)
        if isinstance(part, tuple):
            return
        limits = LimitsPart.model_validate({**_map(project_defaults, "limits"), **_map(data, "limits")})
        source = build_source(name, part, limits, self.desk.at(document, name), document.file)
        self.sources[name] = source
        shared = [Layer(document=document, path=(), data={k: data[k] for k in ("schedule", "tags") if k in data})]
        if project is not None:
            inherited = {key: value for key, value in project_defaults.items() if key != "limits"}
            shared.insert(0, Layer(document=project, path=("defaults",), data=inherited))
        shared.append(Layer(document=document, path=("defaults",), data=_map(data, "defaults")))
        for stream in part.streams:
            own = Layer(document=document, path=("streams", stream), data=_map(data, "streams", stream))
            self._stream(source, stream, merge([*shared, own]), _map(data, "headers"))

    def _stream(self, source: Source, name: str, merged: Merged, headers: Mapping[str, object]) -> None:
        part = StreamPart.model_validate(dict(merged.data))
        texts = self.desk.at(merged, f"{source.name}.{name}")
        document, path = merged.origin(())
        stream = build_stream(
            source.name,
            name,
            part,
            texts,
            file=document.file,
            line=document.place(path, at_key=True)[0],
            fingerprint=fingerprint(source.base_url, texts.plain(part.path or "", ("path",)), headers, merged.data),
        )
        check_stream(stream, part, texts)
        check_host(stream, source, texts)
        self.streams.append((stream, merged))

    def _refuse(self, document: Document, *places: tuple[str, ...]) -> frozenset[str]:
        """Report what this version cannot do; the paths of that."""
        found = [
            document.problem((*place, *path), refusal(feature), hint=feature.instead, at_key=True)
            for place in places
            for feature, path in asked_for(_map(document.data, *place))
        ]
        self.desk.report(*found)
        return frozenset(problem.path for problem in found)


def _hook_told(
    found: Problem | str, problem: Callable[[tuple[str, ...], str], Problem], place: tuple[str, ...]
) -> Iterable[Problem]:
    """A problem of `hooks.py` itself, or of the line that names the hook."""
    if isinstance(found, Problem):
        yield found
    elif found:
        yield problem(place, found)


def _files(config: Path) -> Iterable[Path]:
    """The YAML files of the folder itself; hidden ones and subfolders are not configuration."""
    return sorted(
        path for path in config.iterdir() if path.suffix in _SUFFIXES and path.name[0] != "." and path.is_file()
    )


def _map(data: object, *keys: str) -> Mapping[str, object]:
    """The map under some keys, an empty one where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}
