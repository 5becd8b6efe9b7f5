"""A file whose JMESPaths are wrong, read on all the same: one look should show its other mistakes as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from etl.settings.document import Document, Path
from etl.settings.format.part import Part
from etl.settings.format.values import BadExpression
from etl.settings.problems import in_file

_IN_THEIR_PLACE: Final = "unreadable"
"""A JMESPath that nothing else is compared with; the file is refused before it could be used."""


def without_bad_expressions(model: type[Part], document: Document) -> Document:
    """The document with a readable JMESPath in the place of each bad one; itself where there is none."""
    try:
        model.model_validate(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            if isinstance(detail.get("ctx", {}).get("error"), BadExpression):
                path = in_file(document, (), detail["loc"])
                document = replace(document, data=_replaced(document.data, path))
    return document


def _replaced(data: object, path: Path) -> object:
    """A copy along the path, its end replaced."""
    if not path:
        return _IN_THEIR_PLACE
    step, rest = path[0], path[1:]
    if isinstance(data, Mapping) and step in data:
        return {**data, step: _replaced(data[step], rest)}
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return [*data[:step], _replaced(data[step], rest), *data[step + 1 :]]
    return data
