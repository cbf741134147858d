"""The matrix file: many recipes for many targets, in one build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from edgecompile.errors import UserError
from edgecompile.recipe.document import Document, read_document
from edgecompile.recipe.load import LoadedRecipe, load_recipe, load_targets
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import Strict, validate

Text = Annotated[str, Field(min_length=1)]


class Exclusion(Strict):
    """Pairs that are not built: a recipe for one target, or for any; a target for any recipe."""

    recipe: Text | None = None
    """As written in `recipes`."""
    target: Text | None = None

    def holds(self, recipe: str, target: str) -> bool:
        """Whether this pair is left out."""
        return self.recipe in (None, recipe) and self.target in (None, target)


class Matrix(Strict):
    """What is built: each recipe for each target, less what is excluded."""

    description: str = ""
    recipes: Annotated[list[Text], Field(min_length=1)]
    """Names of recipes, or paths from this file's folder."""
    targets: Annotated[list[Text], Field(min_length=1)] | None = None
    """Names of targets, or paths of their YAML; without, each recipe's own."""
    exclude: list[Exclusion] = []


def load_matrix(
    file: Path, overrides: Sequence[str] = (), target_names: Sequence[str] = ()
) -> list[tuple[LoadedRecipe, list[Target]]]:
    """Each recipe of the matrix in `file` with its targets; `target_names` in place of the file's.

    Raises:
        UserError: the file, or a recipe or target that it names, is not found or not valid; an
            exclusion excludes nothing.
    """
    document = read_document(file, str(file))
    matrix = validate(Matrix, document.data, document.locate)
    names = list(target_names) or [_from(file, name, ".yaml") for name in matrix.targets or ()]
    used = [False] * len(matrix.exclude)
    entries = []
    for index, written in enumerate(dict.fromkeys(matrix.recipes)):
        try:
            loaded = load_recipe(_from(file, written, "/"), overrides)
            targets = load_targets(loaded, names)
        except UserError as error:
            error.location = error.location or document.locate(("recipes", index))
            raise
        kept = []
        for target in targets:
            excluding = [e.holds(written, target.name) for e in matrix.exclude]
            used = [before or now for before, now in zip(used, excluding, strict=True)]
            if not any(excluding):
                kept.append(target)
        if kept:
            entries.append((loaded, kept))
    _require_used(document, used if not target_names else [])
    return entries


def _from(file: Path, written: str, mark: str) -> str:
    """A path is one from the folder of the file; a name, which has no `mark`, stays a name."""
    return str(file.parent / written) if mark in written else written


def _require_used(document: Document, used: Sequence[bool]) -> None:
    for index, was_used in enumerate(used):
        if not was_used:
            raise UserError(
                "no pair of a recipe and a target is excluded by this",
                location=document.locate(("exclude", index)),
                remedy="write the recipe as it stands in `recipes`, and the target's name",
            )
