"""`config/hooks.py`: looked at when the configuration is read, run only when a hook is used."""

from __future__ import annotations

import ast
import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from etl.errors import ConfigError, Problem

FILE: Final = "hooks.py"


def hook_problem(config: Path, name: str) -> Problem | str:
    """What keeps a hook from being used, as a problem of its file, or as words for the line that names it; else ''.

    Nothing is run: the file is only parsed.
    """
    path = config / FILE
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return f"there is no {path}"
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} cannot be read: {error}"
    except SyntaxError as error:
        return _problem(path, error.lineno or 0, f"is no Python: {error.msg}", column=error.offset or 1)
    found = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for node in found:
        if node.name == name:
            waits = isinstance(node, ast.AsyncFunctionDef)
            return _problem(path, node.lineno, "a hook is a plain `def`; it must not wait") if waits else ""
    defined = ", ".join(node.name for node in found) or "none"
    return f"{path} defines no function {name!r}; it has: {defined}"


def load_hook(config: Path, name: str) -> Callable[..., Any]:
    """The function. Raises ConfigError naming the line of `hooks.py` where running the file failed."""
    path = config / FILE
    spec = importlib.util.spec_from_file_location("etl_hooks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function = getattr(module, name)
    except Exception as error:  # whatever the file does when it is run
        message = f"running it failed: {type(error).__name__}: {error}"
        raise ConfigError((_problem(path, _line(error, path), message),)) from error
    if not callable(function):
        raise ConfigError((_problem(path, 1, f"{name} is no function"),))
    return function  # type: ignore[no-any-return]


def told(error: Exception, config: Path) -> str:
    """`config/hooks.py:12: KeyError: 'x'`, for a message."""
    path = config / FILE
    return f"{path}:{_line(error, path)}: {type(error).__name__}: {error}"


def _line(error: BaseException, path: Path) -> int:
    here = path.resolve()  # the folder may be named relatively, a frame never is
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == here]
    return (frames[-1].lineno or 0) if frames else 0


def _problem(path: Path, line: int, message: str, *, column: int = 1) -> Problem:
    return Problem(file=str(path), line=line, column=column, path="", message=message)
