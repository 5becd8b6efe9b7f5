"""`hooks.py` is read without being run, and what is wrong with it is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.settings import load
from etl.settings.hooks import load_hook, told

SHOP = """\
base_url: https://a.example
auth: {hook: sign, given: {key: "${KEY}"}}
streams:
  items: {key: id, pages: none, hooks: {item: mend}}
"""
GOOD = "def sign(request, given):\n    return request\n\n\ndef mend(item):\n    return item\n"


def problems(folder: Path, hooks: str | None, shop: str = SHOP) -> list[str]:
    (folder / "shop.yaml").write_text(shop)
    if hooks is not None:
        (folder / "hooks.py").write_text(hooks)
    try:
        load(folder, environ={"KEY": "hook-key-1234"})
    except ConfigError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


def test_a_hook_is_named_and_given_secrets(tmp_path: Path) -> None:
    """The values are masked like any other."""
    assert problems(tmp_path, GOOD) == []
    settings = load(tmp_path, environ={"KEY": "hook-key-1234"})

    source = settings.sources["shop"]
    assert (source.auth.kind, source.auth.values, source.auth.pairs) == ("hook", ("sign",), (("key", "hook-key-1234"),))
    assert settings.streams[0].item_hook == "mend"
    assert settings.redactor("hook-key-1234") == "***"


def test_reading_the_configuration_runs_nothing(tmp_path: Path) -> None:
    """`etl status` has no business in it."""
    assert problems(tmp_path, "raise SystemExit\n" + GOOD) == []


@pytest.mark.parametrize(
    ("hooks", "told_at"),
    [
        (
            None,
            ["shop.yaml:2:14: auth.hook: there is no hooks.py", "shop.yaml:4:47: streams.items.hooks.item: there is"],
        ),
        ("def sign(:\n", ["hooks.py:1:10: is no Python: invalid syntax"]),
        ("async def sign(r, g): ...\ndef mend(i): ...\n", ["hooks.py:1:1: a hook is a plain `def`; it must not wait"]),
        ("def mend(i): ...\n", ["shop.yaml:2:14: auth.hook: hooks.py defines no function 'sign'; it has: mend"]),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, hooks: str | None, told_at: list[str]) -> None:
    """At its own line, or at the one that names the function."""
    found = problems(tmp_path, hooks)

    assert [line[: len(start)] for line, start in zip(found, told_at, strict=True)] == told_at


def test_given_belongs_to_a_hook(tmp_path: Path) -> None:
    """Beside another way to sign it would be ignored."""
    shop = "base_url: https://a.example\nauth: {bearer: abcd, given: {a: bcde}}\nstreams:\n  items: {key: id}\n"

    assert problems(tmp_path, None, shop) == ["shop.yaml:2:22: auth.given: has a meaning only beside `hook`"]


def test_a_file_that_cannot_be_run_is_told_at_its_line(tmp_path: Path) -> None:
    """An import that is not installed, a name that is not there."""
    (tmp_path / "hooks.py").write_text("\n\nimport no_such_package\n")

    with pytest.raises(ConfigError) as caught:
        load_hook(tmp_path, "sign")

    assert f"{tmp_path}/hooks.py:3:1: running it failed: ModuleNotFoundError" in str(caught.value)


def test_an_exception_of_a_hook_is_told_with_its_line(tmp_path: Path) -> None:
    """The line of the file, not of the library it called."""
    (tmp_path / "hooks.py").write_text("import json\n\n\ndef mend(item):\n    return json.loads(item)\n")
    mend = load_hook(tmp_path, "mend")

    with pytest.raises(TypeError) as caught:
        mend({})

    assert told(caught.value, tmp_path).startswith(f"{tmp_path}/hooks.py:5: TypeError: ")


def test_the_line_is_told_where_the_folder_is_named_relatively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--config config` is the default; every reject said line 0."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hooks.py").write_text("def mend(item):\n    return item[1]\n")
    mend = load_hook(Path(), "mend")

    with pytest.raises(KeyError) as caught:
        mend({})

    assert told(caught.value, Path()) == "hooks.py:2: KeyError: 1"
