"""Which recipes and targets a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgecompile.build.matrix import Entry
    from edgecompile.recipe.load import LoadedRecipe
    from edgecompile.recipe.target import Target


def chosen_pairs(
    recipes: Sequence[str],
    matrix_file: Path | None,
    target_names: Sequence[str],
    overrides: Sequence[str] = (),
) -> list[tuple[LoadedRecipe, list[Target]]]:
    """Each recipe that was named, or that the matrix file names, with its targets.

    Raises:
        UserError: one is not found or not valid.
        click.UsageError: none was named, or in both ways.
    """
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.recipe.matrix import load_matrix

    if bool(recipes) == (matrix_file is not None):
        raise click.UsageError("name a RECIPE or several, or else a file of them with -c FILE")
    if matrix_file is not None:
        return load_matrix(matrix_file, overrides, target_names)
    loaded = [load_recipe(recipe, overrides) for recipe in dict.fromkeys(recipes)]
    return [(one, load_targets(one, target_names)) for one in loaded]


def chosen_entries(
    recipes: Sequence[str],
    matrix_file: Path | None,
    target_names: Sequence[str],
    overrides: Sequence[str],
) -> list[Entry]:
    """As `chosen_pairs`, the targets configured for their recipe."""
    from edgecompile.backends.configure import configure
    from edgecompile.build.matrix import Entry

    return [
        Entry(loaded, tuple(configure(loaded, targets)))
        for loaded, targets in chosen_pairs(recipes, matrix_file, target_names, overrides)
    ]
