"""The file of a new target: valid as it is, whose comments say what to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edgecompile.backends.protocol import Backend
from edgecompile.backends.registry import get_backend
from edgecompile.errors import UserError
from edgecompile.recipe.catalogue import list_entries
from edgecompile.recipe.load import load_target
from edgecompile.recipe.search import find_all
from edgecompile.recipe.target import Target
from edgecompile.scaffold.files import render, require_name, write_new


def write_target(name: str, backend_name: str, folder: Path) -> Path:
    """Write `folder/NAME.yaml` for a device of the backend, after the backend's first target.

    Raises:
        UserError: the name is not usable or taken, or there is no such backend.
    """
    require_name(name)
    backend = get_backend(backend_name)
    known = find_all("targets").get(name)
    path = folder / f"{name}.yaml"
    if known is not None and known != path.resolve():
        raise UserError(
            f"a target named '{name}' is there already: {known}", remedy="choose another name"
        )
    example = _example(backend_name)
    values = {
        "name": name,
        "backend": backend_name,
        "example": example.name if example else None,
        "precisions": ", ".join(example.precisions if example else ["int8", "fp32"]),
        "scheme": example.scheme if example else "affine",
        "options": _options(backend, example),
        "limits": _limits(example),
    }
    return write_new({path: render("target.yaml.j2", values)})[0]


def _example(backend_name: str) -> Target | None:
    for entry in list_entries("targets")[0]:
        if entry.data.get("backend") == backend_name:
            return load_target(str(entry.file))
    return None


def _limits(example: Target | None) -> dict[str, str]:
    """The example's limits, which some backends cannot do without, as figures to be replaced."""
    if example is None:
        return {}
    source = f"that of {example.name}; put in your device's own"
    return {
        key: _line({"value": fact.value, "unit": fact.unit, "source": source})
        for key, fact in example.limits.items()
    }


def _line(value: Any) -> str:
    """A value in one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _options(backend: Backend, example: Target | None) -> list[dict[str, Any]]:
    """Every option that the backend knows, with the example's value, and what it means."""
    written = example.options if example else {}
    options = []
    for key, field in backend.options_schema.model_fields.items():
        if key in written:
            value = written[key]
        elif field.is_required():
            continue
        else:
            value = field.get_default(call_default_factory=True)
        words = " ".join((field.description or "").split())
        options.append({"key": key, "value": _line(value), "words": words})
    return options
