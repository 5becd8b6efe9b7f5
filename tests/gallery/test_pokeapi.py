"""PokeAPI: offsets with a count, and a detail behind a link in every row."""

from __future__ import annotations

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, error, ok


class PokeApi:
    """Names with links, and what is behind them."""

    def __init__(self) -> None:
        self.names = {n: f"name-{n:03}" for n in range(1, 131)}
        self.weights = {n: n * 3 for n in self.names}

    def answer(self, call: Call) -> Answer:
        rest = call.path.removeprefix("/api/v2/pokemon").strip("/")
        if rest:
            number = int(rest)
            if number not in self.names:
                return error(404, "Not Found")
            return ok(self.detail(number))
        at, size = int(call.query["offset"]), int(call.query["limit"])
        rows = [{"name": name, "url": self._url(call, n)} for n, name in sorted(self.names.items())]
        return ok({"count": len(rows), "next": None, "results": rows[at : at + size]})

    def detail(self, number: int) -> dict[str, object]:
        return {"id": number, "name": self.names[number], "weight": self.weights[number]}

    @staticmethod
    def _url(call: Call, number: int) -> str:
        return f"{call.base}/api/v2/pokemon/{number}/"


async def test_the_example_holds_what_the_api_holds(project, agrees):
    """The list, and one detail for each row of it; what did not change is recognised."""
    api = PokeApi()
    await project.example("pokeapi", api, "https://pokeapi.co")

    first = await project.run()
    assert {stream.status for stream in first.streams} == {RunStatus.SUCCEEDED}
    assert set(project.table("pokeapi_pokemon", "name")) == set(api.names.values())
    agrees(project.table("pokeapi_pokemon_detail"), {n: api.detail(n) for n in api.names})

    api.weights[7] = 1
    api.names[131] = "name-131"
    api.weights[131] = 5
    await project.run()
    agrees(project.table("pokeapi_pokemon_detail"), {n: api.detail(n) for n in api.names})
