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

KeyPath = tuple[str | int, ...]

_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "list_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "model_type": "must be a mapping of keys to values",
    "string_type": "must be text",
    "too_short": "must hold at least {min_length}, not {actual_length}",
}
"""pydantic's error types in our words, filled with the error's own context."""


class Strict(BaseModel):
    """Base of all schemas: immutable; an unknown key is an error, and so is `true` for a number."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


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
    schema: type[ModelType], data: Mapping[str, Any], locate: Callable[[KeyPath], Location]
) -> ModelType:
    """Check `data` against `schema`.

    Raises:
        InvalidDocument: with one problem per wrong key or value.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        # One problem per place: a union complains once for each of its members.
        found: dict[KeyPath, Any] = {}
        for item in error.errors(include_url=False):
            found.setdefault(_path_in_document(item["loc"], data), item)
        problems = []
        for path, item in found.items():
            if not _is_misspelt_elsewhere(path, found):
                message, remedy = _explain(schema, item, path)
                problems.append(UserError(message, location=locate(path), remedy=remedy))
        problems.sort(key=lambda p: (p.location.line or 0) if p.location else 0)
        raise InvalidDocument(problems) from None


def _path_in_document(loc: KeyPath, data: Any) -> KeyPath:
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


def _is_misspelt_elsewhere(path: KeyPath, found: Mapping[KeyPath, Any]) -> bool:
    """Is `path` missing only because a key beside it is misspelt? Then that says it all."""
    return found[path]["type"] == "missing" and any(
        item["type"] == "extra_forbidden"
        and other[:-1] == path[:-1]
        and difflib.get_close_matches(str(other[-1]), [str(path[-1])])
        for other, item in found.items()
    )


def _explain(schema: type[BaseModel], item: Any, path: KeyPath) -> tuple[str, str | None]:
    dotted = _dotted(path)
    kind = item["type"]
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(schema, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        remedy = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"unknown key '{dotted}'", remedy
    if kind == "missing":
        return f"the key '{dotted}' is missing", None
    if kind == "value_error":
        # A rule about several keys of the document is about none of them alone.
        return f"{dotted}: {context['error']}" if dotted else str(context["error"]), None
    if kind in _WORDS:
        text = _WORDS[kind].format(**context)
        written = "" if kind == "too_short" else f", not {_written(item['input'])}"
        return f"{dotted} {text}{written}", None
    text = item["msg"]
    return f"{dotted}: {text[0].lower()}{text[1:]}, not {_written(item['input'])}", None


def _dotted(path: KeyPath) -> str:
    """``model.input.shape[2]``."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if index else part
        for index, part in enumerate(path)
    )


def _written(value: Any) -> str:
    """A value as the reader wrote it in YAML, or what it is when it is long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, Mapping)):
        return "a list" if isinstance(value, list) else "a mapping"
    return repr(value)


def _fields_at(schema: type[BaseModel], path: KeyPath) -> list[str]:
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
