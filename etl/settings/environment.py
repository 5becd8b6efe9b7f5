"""Variables: `${NAME}` and `${NAME:-default}`, from the environment, a `.env` file, or a file named by `NAME_FILE`.

A value is data: it can never bring a placeholder, a key or a list into the configuration. So a text becomes pieces,
and only the pieces that were written in the file are parsed any further.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from etl.errors import ConfigError, Problem
from etl.model.credential import Variable, characters, oddity_of

_VARIABLE: Final = re.compile(r"\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_LARGEST_SECRET: Final = 64 * 1024
_SHOWN: Final = 4
_LONG: Final = 20
"""Of shorter values four characters would be too large a part."""


_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    `kind`: `written` in the file, `filled` from the environment, the `default` that stands in the file, or `missing`
    (`text` is then the variable's name). `name` is the variable's, empty for what is written.
    """

    text: str
    kind: Literal["written", "filled", "default", "missing"] = "written"
    name: str = ""


class Environment:
    """Looks variables up and remembers which values it gave away: they are secrets.

    An empty variable counts as absent. `NAME` wins over `NAME_FILE`, the environment over `.env`.
    """

    def __init__(self, environ: Mapping[str, str], base: Path, env_files: Mapping[str, str] = _NOTHING) -> None:
        self._environ = environ
        self._base = base
        self._env_files = env_files
        self._found: dict[str, str] = {}
        self._missing: set[str] = set()

    @classmethod
    def beside(cls, config: Path, environ: Mapping[str, str]) -> Environment:
        """With the `.env` files in the config folder and in its parent; the nearer one wins.

        Raises ConfigError for one that cannot be read.
        """
        folder = config.resolve()
        far, near = _env_file(folder.parent / ".env"), _env_file(folder / ".env")
        given = {name: value for name, value in environ.items() if value}
        places = {**dict.fromkeys(far, str(config.parent / ".env")), **dict.fromkeys(near, str(config / ".env"))}
        places = {name: place for name, place in places.items() if name not in given}
        return cls({**far, **near, **given}, folder.parent, places)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All values given away so far, each line of a longer one too."""
        return tuple(dict.fromkeys(part for value in self._found.values() for part in (value, *value.splitlines())))

    @property
    def described(self) -> Mapping[str, str]:
        """What may be told of the variables given away: the length, and four characters where enough stays hidden."""
        return {name: _described(value) for name, value in sorted(self._found.items())}

    @property
    def by_text(self) -> Mapping[str, Variable]:
        """The variables by what stands in their place in a request: a value, or `${NAME}` where nobody set it."""
        found = {value: self.variable(name) for name, value in self._found.items()}
        for name in self._missing:
            found |= dict.fromkeys((f"${{{name}}}", f"%24%7B{name}%7D"), self.variable(name))
        return found

    def variable(self, name: str, default: str | None = None) -> Variable:
        """Where a variable that was looked up came from, without its value."""
        value = self._found.get(name)
        if value is None:
            return Variable(name=name, default=default)
        odd = oddity_of(value)
        if self._environ.get(name):
            file = self._env_files.get(name, "")
            kind: Literal["env_file", "environment"] = "env_file" if file else "environment"
            return Variable(name=name, length=len(value), file=file, kind=kind, oddity=odd)
        file = self._environ.get(f"{name}_FILE", "")
        return Variable(name=name, length=len(value), file=str(self._base / file), kind="own_file", oddity=odd)

    def lookup(self, name: str) -> str | None:
        """The value of a variable, None when neither it nor its file is there. Raises ValueError for a bad file."""
        if name in self._found:
            return self._found[name]
        value = self._environ.get(name) or self._from_file(name)
        if value:
            self._found[name] = value
        return value or None

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """`text` with its variables looked up. Raises ValueError for a `${` that is no variable, or a bad file."""
        pieces: list[Piece] = []
        end = 0
        for found in _VARIABLE.finditer(text):
            if found[1] is None:
                raise ValueError("a `${` that begins no variable; write ${NAME} or ${NAME:-default}")
            pieces += [Piece(text[end : found.start()]), self._filled(found[1], found[2])]
            end = found.end()
        pieces.append(Piece(text[end:]))
        return tuple(piece for piece in pieces if piece.text or piece.kind != "written")

    def _filled(self, name: str, default: str | None) -> Piece:
        value = self.lookup(name)
        if value is not None:
            return Piece(value, "filled", name)
        if default is not None:
            return Piece(default, "default", name)
        self._missing.add(name)
        return Piece(name, "missing", name)

    def _from_file(self, name: str) -> str | None:
        named = self._environ.get(f"{name}_FILE")
        if not named:
            return None
        try:
            with (self._base / named).open("rb") as file:
                content = file.read(_LARGEST_SECRET + 1)
        except OSError as error:
            raise ValueError(f"the file that {name}_FILE names cannot be read: {error.strerror}") from None
        if len(content) > _LARGEST_SECRET:
            raise ValueError(f"the file that {name}_FILE names is larger than 64 KiB")
        try:
            return content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"the file that {name}_FILE names is not UTF-8 text") from None


def _described(value: str) -> str:
    length = characters(len(value))
    return f"{length}, {value[:_SHOWN]}…" if len(value) >= _LONG and value[:_SHOWN].isprintable() else length


def joined(pieces: Iterable[Piece]) -> str:
    """The text; a missing variable stays as `${NAME}`."""
    return "".join(f"${{{piece.text}}}" if piece.kind == "missing" else piece.text for piece in pieces)


def _env_file(path: Path) -> dict[str, str]:
    """`KEY=VALUE` lines; blank lines, `#` lines and lines of any other form are passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
    except OSError as error:
        raise ConfigError((_unusable(path, f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError:
        raise ConfigError((_unusable(path, "is not UTF-8 text"),)) from None
    found: dict[str, str] = {}
    for line in lines:
        matched = None if line.lstrip().startswith("#") else _LINE.fullmatch(line)
        if matched and (value := _unquoted(matched[2].strip())):
            found[matched[1]] = value
    return found


def _unusable(path: Path, message: str) -> Problem:
    return Problem(file=str(path), line=0, column=0, path="", message=message)


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if len(value) > 1 and value[0] == quote and value[-1] == quote:
            return value[1:-1]
    return value.partition(" #")[0].rstrip()
