"""New files out of templates, none of which replaces an old one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError
from edgecompile.recipe.schema import check_name


def require_name(name: str) -> None:
    """Go on only with what can be the name of a file.

    Raises:
        UserError: it cannot.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise UserError(str(error)) from None


def render(template: str, values: Mapping[str, Any]) -> str:
    """A file of `templates/`, filled in."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - YAML and Python, not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source = Path(__file__).parent / "templates" / template
    return environment.from_string(source.read_text(encoding="utf-8")).render(values)


def write_new(files: Mapping[Path, str]) -> list[Path]:
    """Write files, making their folders; returns their paths.

    Raises:
        UserError: one is there already, or cannot be written.
    """
    for path in files:
        if path.exists():
            raise UserError(f"{path} is there already", remedy="choose another name")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
    return list(files)
