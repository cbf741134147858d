"""Load a recipe or a target by name or path, with the command line's `--set` applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgecompile.errors import Location, UserError
from edgecompile.recipe.document import Document, KeyPath, read_document
from edgecompile.recipe.schema import Recipe
from edgecompile.recipe.search import find_one
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import validate


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, the folder that its relative paths start from, and where each key was written."""

    recipe: Recipe
    folder: Path
    document: Document

    def locate(self, *path: str | int) -> Location:
        """Where the value at `path` was written."""
        return self.document.locate(path)


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Load a recipe: a folder, a recipe.yaml, or the name of a known recipe.

    `overrides` are ``key.path=value``; the value is read as YAML.

    Raises:
        UserError: not found, or not valid.
    """
    path = _recipe_file(name_or_path)
    document = read_document(path, _shown(path))
    data = dict(document.data)
    data.setdefault("name", path.resolve().parent.name)
    overridden: dict[KeyPath, str] = {}
    for override in overrides:
        overridden[_apply_override(data, override)] = override

    def locate(where: KeyPath) -> Location:
        for key, override in overridden.items():
            shared = min(len(where), len(key))
            if where[:shared] == key[:shared] and len(where) > 1:
                return Location(f"--set {override}")
        return document.locate(where)

    return LoadedRecipe(validate(Recipe, data, locate), path.resolve().parent, document)


def _recipe_file(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.is_dir():
        path = path / "recipe.yaml"
        if not path.is_file():
            raise UserError(
                f"there is no recipe.yaml in {name_or_path}",
                remedy="`edgecompile recipes new NAME` writes one",
            )
        return path
    if path.is_file():
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise UserError(f"there is no recipe {name_or_path}")
    return find_one("recipes", name_or_path)


def load_target(name_or_path: str) -> Target:
    """Load a target: a .yaml file, or the name of a known target.

    Raises:
        UserError: not found, not valid, or the file's name and the `name` in it differ.
    """
    path = Path(name_or_path)
    if not (path.suffix in {".yaml", ".yml"} and path.is_file()):
        path = find_one("targets", name_or_path)
    document = read_document(path, _shown(path))
    data = {"name": path.stem, **document.data}
    target = validate(Target, data, document.locate)
    if target.name != path.stem:
        raise UserError(
            f"the target is named '{target.name}' in a file named '{path.name}'",
            location=document.locate(("name",)),
            remedy="give both the same name",
        )
    return target


def _shown(path: Path) -> str:
    """The path as the reader would type it: relative when it lies under the working folder."""
    full, here = path.resolve(), Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(path)


def _apply_override(data: dict[str, Any], override: str) -> KeyPath:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UserError(
            f"--set {override} is not of the form key.path=value",
            remedy="for instance --set stages.quantize.precision=fp16",
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML") from error
    path = tuple(key.split("."))
    node = data
    for part in path[:-1]:
        child = node.get(part)
        node[part] = dict(child) if isinstance(child, dict) else {}
        node = node[part]
    node[path[-1]] = value
    return path
