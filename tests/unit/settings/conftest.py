from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from etl.errors import ConfigError, Problem
from etl.settings import Settings, load

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write files (`shop="..."` is `config/shop.yaml`) and load them."""

    def write_and_load(environ: Mapping[str, str] | None = None, **files: str) -> Settings:
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(dedent(text))
        return load(folder, environ=environ or {})

    return write_and_load


@pytest.fixture
def problems(configure: Configure) -> Problems:
    """The problems of some files, as `file:line:column: path: message (hint)` without the folder."""

    def told(environ: Mapping[str, str] | None = None, **files: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            configure(environ, **files)
        return [_short(problem) for problem in caught.value.problems]

    return told


def _short(problem: Problem) -> str:
    return str(problem).replace(problem.file, Path(problem.file).name, 1)
