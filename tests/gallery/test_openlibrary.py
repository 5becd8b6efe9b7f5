"""Open Library: offsets with a total, and a client that says who it is."""

from __future__ import annotations

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, error, ok


class OpenLibrary:
    """Books of one subject; some have no year."""

    def __init__(self) -> None:
        self.books = {
            f"/works/OL{n}W": {"key": f"/works/OL{n}W", "title": f"Book {n}", "author_name": [f"Author {n % 9}"]}
            | ({"first_publish_year": 1990 + n % 30} if n % 4 else {})
            for n in range(234)
        }

    def answer(self, call: Call) -> Answer:
        if "me@example.org" not in call.headers.get("user-agent", "") or call.query["q"] != "subject:data_mining":
            return error(403, "who are you?")
        at, size = int(call.query["offset"]), int(call.query["limit"])
        rows = list(self.books.values())
        return ok({"numFound": len(rows), "start": at, "docs": rows[at : at + size]})


async def test_the_example_holds_what_the_library_holds(project, agrees):
    """A list without a mark of change is read whole."""
    library = OpenLibrary()
    await project.example("openlibrary", library, "https://openlibrary.org")

    first = await project.sync("openlibrary.data_books")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 234)
    agrees(project.table("openlibrary_data_books", "key"), library.books)

    library.books["/works/OL3W"]["title"] = "Book 3, second edition"
    assert (await project.sync("openlibrary.data_books")).counts.updated == 1
    agrees(project.table("openlibrary_data_books", "key"), library.books)
