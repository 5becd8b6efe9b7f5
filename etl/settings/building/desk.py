"""Where the building of one configuration gathers problems, missing variables and secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from etl.errors import Problem
from etl.model.credential import Spelled
from etl.model.template import Placeholder, Template
from etl.settings.document import Document, Path
from etl.settings.environment import Environment, Piece, joined
from etl.settings.layers import Merged

_LINE_BREAKS: Final = frozenset("\r\n\0")
LITERAL: Final = Template(("",))


class Desk:
    """Fills texts and notes what is wrong with them. One for a whole configuration."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.problems: list[Problem] = []
        self.missing: dict[str, dict[Problem, None]] = {}
        self.secrets: list[str] = []

    def report(self, *problems: Problem) -> None:
        """Note what makes the configuration unusable."""
        self.problems.extend(problems)

    def at(self, place: Document | Merged, owner: str) -> Texts:
        """The texts of one file, or of one stream after defaults; `owner` is the source or `source.stream`."""
        return Texts(self, place, owner)

    def lacks(self, owner: str, problem: Problem) -> None:
        """Note a variable that nobody set; raised only when `owner` is about to be asked."""
        self.missing.setdefault(owner, {})[problem] = None


class Texts:
    """The texts of one owner, filled with variables."""

    def __init__(self, desk: Desk, place: Document | Merged, owner: str) -> None:
        self._desk = desk
        self._place = place
        self._owner = owner

    def problem(self, path: Path, message: str, *, hint: str = "", at_key: bool = False) -> None:
        """Note a mistake at `path`."""
        self._desk.report(self._place.problem(path, message, hint=hint, at_key=at_key))

    def pieces(self, text: str, path: Path) -> tuple[Piece, ...]:
        """The text's pieces; problems and missing variables are noted."""
        try:
            pieces = self._desk.environment.pieces(text)
        except ValueError as error:
            self.problem(path, str(error))
            return ()
        for piece in pieces:
            if piece.kind == "missing":
                self._desk.lacks(self._owner, self._unset(piece.text, path))
        return pieces

    def plain(self, text: str, path: Path) -> str:
        """The filled text; `${NAME}` stays where a variable is missing."""
        return joined(self.pieces(text, path))

    def header(self, text: str, path: Path) -> str:
        """A filled text that becomes part of a header: a line break would begin another one."""
        filled = self.plain(text, path)
        if not _LINE_BREAKS.isdisjoint(filled):
            self.problem(path, "holds a line break, which no header can carry")
        return filled

    def secret(self, text: str, path: Path) -> str:
        """As `header`; the value is a secret even when it stands in the file itself, unless it is a default."""
        pieces = self.pieces(text, path)
        if not any(piece.kind in ("missing", "default") for piece in pieces):
            self._desk.secrets.append(joined(pieces))
        return self.header(text, path)

    def spelled(self, text: str) -> Spelled:
        """The text with variables in the place of their values; empty where it has none, and is a secret itself."""
        environment = self._desk.environment
        try:
            pieces = environment.pieces(text)
        except ValueError:
            return ()  # told where it was filled
        found = tuple(
            environment.variable(piece.name, piece.text if piece.kind == "default" else None)
            if piece.name
            else piece.text
            for piece in pieces
        )
        return found if any(piece.name for piece in pieces) else ()

    def line(self, path: Path) -> str:
        """File and line of a key, as messages name a place."""
        found = self._place.problem(path, "", at_key=True)
        return f"{found.file}:{found.line}"

    def hide(self, secret: str) -> None:
        """Tell the redactor a value that is put together from others."""
        self._desk.secrets.append(secret)

    def template(self, text: str, path: Path) -> Template:
        """A text with placeholders; what the environment brings is literal, whatever is in it."""
        parts: list[str | Placeholder] = []
        for piece in self.pieces(text, path):
            if piece.kind == "written":
                try:
                    parts += Template.parse(piece.text).parts
                except ValueError as error:
                    self.problem(path, str(error))
            else:
                parts.append(joined((piece,)))
        return Template(_together(parts)) if parts else LITERAL

    def written(self, value: object, path: Path) -> str:
        """A scalar as the file spells it: `1.10` stays `1.10`."""
        document, place = self._place.origin(path) if isinstance(self._place, Merged) else (self._place, path)
        return value if isinstance(value, str) else document.texts.get(place, str(value))

    def _unset(self, name: str, path: Path) -> Problem:
        return self._place.problem(
            path, f"{name} is not set", hint=f"set {name}, or {name}_FILE to a file that holds it"
        )


def _together(parts: Iterable[str | Placeholder]) -> tuple[str | Placeholder, ...]:
    """Neighbouring literals as one, so that a template of one placeholder is seen as such."""
    found: list[str | Placeholder] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return tuple(found) or ("",)
