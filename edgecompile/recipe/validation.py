"""From plain data to a typed model; every complaint points at the line that caused it."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecompile.errors import Location, UserError

ModelType = TypeVar("ModelType", bound=BaseModel)


class Strict(BaseModel):
    """Base of all schemas: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class InvalidDocument(UserError):
    """Everything that is wrong with one document, in the order in which it was written."""

    def __init__(self, problems: list[UserError]) -> None:
        first = problems[0]
        super().__init__(first.message, location=first.location, remedy=first.remedy)
        self.problems = problems

    def render(self) -> str:
        """All problems, one block each."""
        return "\n\n".join(problem.render() for problem in self.problems)


def validate(
    schema: type[ModelType],
    data: Mapping[str, Any],
    locate: Callable[[tuple[str | int, ...]], Location],
) -> ModelType:
    """Check `data` against `schema`.

    Raises:
        InvalidDocument: with one problem per wrong key or value.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False):
            path = _path_in_document(item["loc"], data)
            message, remedy = _explain(schema, item, path)
            problems.append(UserError(message, location=locate(path), remedy=remedy))
        unique = {(p.message, str(p.location)): p for p in problems}
        ordered = sorted(unique.values(), key=lambda p: (p.location.line or 0) if p.location else 0)
        raise InvalidDocument(ordered) from None


def _path_in_document(loc: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """Drop what pydantic adds for unions (``('metric', 'MetricFunction', 'points')``)."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, Mapping) and part in data):
            path.append(part)
            data = data[part]
        elif last and isinstance(data, Mapping):
            path.append(part)
    return tuple(path)


def _explain(
    schema: type[BaseModel], item: Any, path: tuple[str | int, ...]
) -> tuple[str, str | None]:
    dotted = ".".join(str(part) for part in path)
    kind = item["type"]
    if kind == "extra_forbidden":
        known = _fields_at(schema, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        remedy = (
            f"did you mean '{close[0]}'?" if close else f"the keys here are: {', '.join(known)}"
        )
        return f"unknown key '{dotted}'", remedy
    if kind == "missing":
        return f"the key '{dotted}' is missing", None
    if kind == "value_error":
        return f"{dotted}: {item['ctx']['error']}", None
    text = item["msg"]
    return f"{dotted}: {text[0].lower()}{text[1:]}, not {item['input']!r}", None


def _fields_at(schema: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    models: list[type[BaseModel]] = [schema]
    for part in path:
        found: list[type[BaseModel]] = []
        for model in models:
            field = model.model_fields.get(str(part))
            if field is not None:
                found += _models_in(field.annotation)
        models = found or (models if isinstance(part, int) else [])
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) is not None or isinstance(annotation, UnionType):
        return [model for arg in typing.get_args(annotation) for model in _models_in(arg)]
    return []
