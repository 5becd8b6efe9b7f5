"""`etl init`: a URL becomes a file, and a sync with that file holds what the API holds, without an edit."""

from __future__ import annotations

import stat

import pytest
import yaml

from etl.testing.doors import SECRET

PAGED = {
    "/lists/number": {"number": 1, "size": 100, "total_rows": "total", "total_pages": "total_pages"},
    "/lists/number/header": {"number": 1, "size": 100, "total_rows": "header:X-Total-Count"},
    "/lists/number/untold": {"number": 1, "size": 100},
    "/lists/offset": {"offset": 0, "size": 100, "total_rows": "total"},
    "/lists/offset/header": {"offset": 0, "size": 100, "total_rows": "header:X-Total-Count"},
    "/lists/offset/untold": {"offset": 0, "size": 100},
    "/lists/cursor": {"cursor": "next_cursor", "size": 100, "while": "has_more"},
    "/lists/cursor/starting-after": {"cursor": "data[-1].id", "size": 100, "while": "has_more"},
    "/lists/link": "link",
    "/lists/link/body": {"link": "next"},
    "/lists/none": "none",
    "/api/items": {"number": 0, "size": 100, "total_rows": "totalItems", "total_pages": "totalPages"},
}


@pytest.fixture
def empty(lite):
    """A folder without a configuration."""
    (lite.folder / "config" / "shop.yaml").unlink()
    (lite.folder / "config").rmdir()
    return lite


def init(project, path: str, *options: str):
    return project.here("init", f"{project.api.url}{path}", "--name", "shop", "--stream", "items", *options)


@pytest.mark.parametrize("path", PAGED)
def test_every_kind_of_list_is_found_out(empty, path: str) -> None:
    """A sync by the written file brings every row, with at most eight requests to learn it."""
    done = init(empty, path, "--json")

    assert done.code == 0, done.out + done.err
    assert len(empty.asked()) == done.json["requests"] <= 8
    stream = yaml.safe_load((empty.folder / "config" / "shop.yaml").read_text())["streams"]["items"]
    assert stream["pages"] == PAGED[path]
    assert stream["key"] == "id"
    synced = empty.here("sync", "--json")
    assert synced.code == 0, synced.err
    empty.holds_the_truth("items")


def test_a_filter_is_proved_before_it_is_written(project) -> None:
    """Rows before the bound vanished; the written file passes the check, and the second sync reads changes only."""
    done = init(project, "/api/orders", "--force", "--stream", "orders")

    assert done.code == 0, done.out + done.err
    stream = yaml.safe_load((project.folder / "config" / "shop.yaml").read_text())["streams"]["orders"]
    assert stream["params"]["updated_since"] == "{start}"
    assert stream["incremental"] == {"field": "updated_at"}
    assert "updated_since filters by updated_at" in done.out
    assert project.here("check").code == 0
    project.prepare("sync")
    project.holds_the_truth("orders")
    project.api.advance()
    again = project.here("sync", "--json")
    assert again.json["streams"][0]["fetched"] < len(project.truth("/api/orders")) / 2
    project.holds_the_truth("orders")


def test_a_new_folder_gets_what_an_editor_and_a_sync_need(empty) -> None:
    """The project file, the schema of the first line, and the names of secrets; the secret itself is nowhere."""
    done = init(empty, "/auth/bearer/items", "--bearer", SECRET)

    assert done.code == 0, done.out + done.err
    files = sorted(str(path.relative_to(empty.folder)) for path in empty.folder.rglob("*") if path.is_file())
    assert files == [".env.example", "config/.schema/etl.json", "config/etl.yaml", "config/shop.yaml"]
    assert (empty.folder / ".env.example").read_text() == "SHOP_TOKEN=\n"
    assert 'auth: {bearer: "${SHOP_TOKEN}"}' in (empty.folder / "config" / "shop.yaml").read_text()
    for path in empty.folder.rglob("*"):
        if path.is_file():
            assert SECRET not in path.read_text()
    assert SECRET not in done.out + done.err
    assert stat.S_IMODE((empty.folder / "config" / "shop.yaml").stat().st_mode) & 0o111 == 0


@pytest.mark.parametrize(
    ("door", "options", "auth"),
    [
        ("bearer", ("--bearer", "DOOR"), {"bearer": "${DOOR}"}),
        ("basic", ("--basic", f"ali:{SECRET}"), {"basic": ["${SHOP_USER}", "${SHOP_PASSWORD}"]}),
        ("header", ("--header", f"X-Api-Key: {SECRET}"), {"header": {"X-Api-Key": "${SHOP_X_API_KEY}"}}),
        ("query", ("--query", f"api_key={SECRET}"), {"query": {"api_key": "${SHOP_API_KEY}"}}),
    ],
)
def test_credentials_go_to_variables(empty, monkeypatch, door: str, options: tuple[str, ...], auth) -> None:
    """Whatever way they are given, the file holds their names only."""
    monkeypatch.setenv("DOOR", SECRET)
    done = init(empty, f"/auth/{door}/items", *options)

    assert done.code == 0, done.out + done.err
    text = (empty.folder / "config" / "shop.yaml").read_text()
    assert yaml.safe_load(text)["auth"] == auth
    assert SECRET not in text + done.out + done.err


def test_a_closed_door_says_what_it_wants(empty) -> None:
    """401: the scheme that the server asks for, and the option that goes with it; nothing is written."""
    done = init(empty, "/auth/bearer/items")

    assert done.code == 4
    assert "the server asks for: Bearer" in done.err
    assert "--bearer SHOP_TOKEN" in done.err
    assert not (empty.folder / "config").exists()


def test_a_file_that_is_there_is_not_touched(lite) -> None:
    """And nothing is asked before that is known."""
    before = (lite.folder / "config" / "shop.yaml").read_text()

    done = init(lite, "/lists/number")

    assert done.code == 2
    assert "is there already" in done.err
    assert lite.asked() == []
    assert (lite.folder / "config" / "shop.yaml").read_text() == before


def test_stdout_writes_no_file(empty) -> None:
    """`--stdout` prints the YAML, and nothing else, on stdout."""
    done = init(empty, "/lists/link", "--stdout")

    assert done.code == 0
    assert yaml.safe_load(done.out)["streams"]["items"]["pages"] == "link"
    assert "paging proven" in done.err
    assert not (empty.folder / "config").exists()


def test_a_budget_of_two_is_kept_and_leaves_a_question(empty) -> None:
    """What could not be found out stands as a CHECK in the file, and the exit code says so."""
    done = init(empty, "/lists/offset", "--requests", "2")

    assert len(empty.asked()) == 2
    assert done.code == 2
    assert "# CHECK: the list goes on" in (empty.folder / "config" / "shop.yaml").read_text()


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/nothing/here", 4, "answered 404"),
        ("/", 5, "brought no rows"),
        ("/lists/number?page=0", 4, "answered 400"),
    ],
)
def test_an_answer_without_rows_is_an_error_that_helps(empty, path: str, code: int, words: str) -> None:
    """One line for the cause, one for what to do, no traceback, no file."""
    done = init(empty, path)

    assert done.code == code
    assert words in done.err
    assert "  hint " in done.err
    assert not (empty.folder / "config").exists()
