"""Load a recipe or a target by name or path, with the command line's `--set` applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.errors import Location, UserError
from edgecompile.recipe.document import Document, KeyPath, parse_value, read_document
from edgecompile.recipe.schema import Recipe
from edgecompile.recipe.search import find_all, find_one
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import validate


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, the folder that its relative paths start from, and where each key was written."""

    recipe: Recipe
    folder: Path
    written: Written
    named: str
    """What it was called by: a name or a path."""

    def locate(self, *path: str | int) -> Location:
        """Where the value at `path` was written."""
        return self.written.locate(path)


@dataclass(frozen=True)
class Written:
    """Where the keys of a recipe were written: in its file, or in a `--set` on the command line."""

    document: Document
    overrides: Mapping[KeyPath, str]

    def locate(self, path: KeyPath) -> Location:
        """The place of `path`, or of what is nearest to it."""
        for key, override in reversed(list(self.overrides.items())):
            below = path[: len(key)] == key
            above = key[: len(path)] == path and path not in self.document.marks
            if path and (below or above):
                return Location(f"--set {override}")
        return self.document.locate(path)


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Load a recipe: a folder, a recipe.yaml, or the name of a known recipe.

    `overrides` are ``key.path=value``; the value is read as YAML.

    Raises:
        UserError: not found, or not valid.
    """
    path = _recipe_file(name_or_path)
    document = read_document(path, _shown(path))
    data = {"name": path.resolve().parent.name, **document.data}
    written = Written(document, {_apply_override(data, text): text for text in overrides})
    recipe = validate(Recipe, data, written.locate)
    return LoadedRecipe(recipe, path.resolve().parent, written, name_or_path)


def _recipe_file(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.is_file():
        return path
    if (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    is_name = len(path.parts) == 1 and path.suffix not in {".yaml", ".yml"}
    if is_name and (not path.is_dir() or name_or_path in find_all("recipes")):
        return find_one("recipes", name_or_path)
    if path.is_dir():
        raise UserError(
            f"there is no recipe.yaml in {name_or_path}",
            remedy="`edgecompile recipes new NAME` writes one",
        )
    raise UserError(f"there is no recipe {name_or_path}")


def load_target(name_or_path: str) -> Target:
    """Load a target: a .yaml file, or the name of a known target.

    Raises:
        UserError: not found, not valid, or the file's name and the `name` in it differ.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = find_one("targets", name_or_path)
    elif not path.is_file():
        raise UserError(f"there is no target file {name_or_path}")
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


def load_targets(loaded: LoadedRecipe, names: Sequence[str] = ()) -> list[Target]:
    """The targets called `names`, or those that the recipe lists; none twice.

    Raises:
        UserError: one is not found or not valid.
    """
    if names:
        return [load_target(name) for name in dict.fromkeys(names)]
    targets = []
    for index, name in enumerate(loaded.recipe.targets):
        if name in loaded.recipe.targets[:index]:
            continue
        try:
            targets.append(load_target(name))
        except UserError as error:
            error.location = error.location or loaded.locate("targets", index)
            raise
    return targets


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
    shown = f"--set {override}"
    try:
        value = parse_value(text, shown)
    except UserError as error:
        raise UserError(error.message, location=Location(shown), remedy=error.remedy) from error
    path: list[str | int] = []
    node: Any = data
    parts = key.split(".")
    for index, part in enumerate(parts):
        here: Any = part
        if isinstance(node, list):
            if not (part.isdecimal() and int(part) < len(node)):
                raise UserError(
                    f"'{part}' is no entry of {'.'.join(parts[:index])}, "
                    f"which has {len(node)}; they count from 0",
                    location=Location(shown),
                )
            here = int(part)
        path.append(here)
        if index == len(parts) - 1:
            node[here] = value
            break
        child = node[here] if isinstance(node, list) else node.get(here)
        # A copy: the document stays what the file says.
        node[here] = (
            dict(child)
            if isinstance(child, dict)
            else list(child)
            if isinstance(child, list)
            else {}
        )
        node = node[here]
    return tuple(path)
