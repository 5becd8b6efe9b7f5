"""The JSON Schema of the files, for editors: generated from the models that check them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from etl.settings.format.project import ProjectPart
from etl.settings.format.source import SourcePart


def json_schema() -> dict[str, Any]:
    """One schema (draft 2020-12) for both kinds of files: a source, and the project file `etl.yaml`.

    `${NAME}` is possible only where a text is sent, so numbers stay numbers.
    """
    references, schema = models_json_schema(
        [(SourcePart, "validation"), (ProjectPart, "validation")],
        by_alias=True,
        title="everypage",
        description="A source (one API) or the project file of everypage.",
    )
    # pydantic leaves the definitions of values that are written as plain text; nothing refers to them.
    schema["$defs"] = {name: part for name, part in schema["$defs"].items() if name.endswith("Part")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "oneOf": [references[SourcePart, "validation"], references[ProjectPart, "validation"]],
    }
