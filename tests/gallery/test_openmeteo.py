"""Open-Meteo: rows as columns side by side, dates that are both part of the answer, places as members."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

PLACES = {("52.52", "13.41"): "Berlin", ("6.45", "3.39"): "Lagos"}


class OpenMeteo:
    """The weather is a function of place and hour, until somebody corrects it. The archive ends at `last`."""

    def __init__(self, last: date) -> None:
        self.last = last
        self.corrected: dict[tuple[str, str], float] = {}

    def rows(self, city: str, start: date, end: date) -> list[dict[str, object]]:
        days = [start + timedelta(days=n) for n in range((min(end, self.last) - start).days + 1)]
        times = [f"{day}T{hour:02}:00" for day in days for hour in range(0, 24, 6)]
        return [self._row(city, time) for time in times]

    def _row(self, city: str, time: str) -> dict[str, object]:
        warmth = self.corrected.get((city, time), len(city) + int(time[8:10]) / 4)
        return {"time": time, "temperature_2m": warmth, "precipitation": None if time.endswith("06:00") else 0.5}

    def answer(self, call: Call) -> Answer:
        query = call.query
        city = PLACES[query["latitude"], query["longitude"]]
        start, end = date.fromisoformat(query["start_date"]), date.fromisoformat(query["end_date"])
        if end < start or query["hourly"] != "temperature_2m,precipitation":
            raise Refusal(answer=error(400, "Parameter 'end_date' is out of range"))
        rows = self.rows(city, start, end)
        return ok({"latitude": 1.0, "hourly": {name: [row[name] for row in rows] for name in rows[0]}})


@pytest.mark.parametrize("clock", ["2021-02-10"], indirect=True)
async def test_the_example_holds_what_the_archive_holds(project):
    """Two windows of at most a year for each place; the days after the fifth last are left alone."""
    archive = OpenMeteo(last=date(2021, 2, 5))
    await project.example("openmeteo", archive, "https://archive-api.open-meteo.com")

    def agree() -> None:
        found = {(row["city"], row.pop("time")): row for row in project.rows("SELECT * FROM openmeteo_hourly")}
        assert found == {
            (city, row.pop("time")): row | {"city": city}
            for city in PLACES.values()
            for row in archive.rows(city, date(2020, 1, 1), archive.last)
        }

    first = await project.sync("openmeteo.hourly")
    assert first.status is RunStatus.SUCCEEDED
    agree()

    archive.corrected["Lagos", "2021-02-05T12:00"] = 30.25
    assert (await project.sync("openmeteo.hourly")).counts.updated == 1
    agree()
