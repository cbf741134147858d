"""A target's options, held against what its backend knows, with the recipe's wishes on top."""

from __future__ import annotations

from collections.abc import Sequence

from edgecompile.backends.registry import backend_names, get_backend
from edgecompile.errors import Location, UserError
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import validate


def configure(loaded: LoadedRecipe, targets: Sequence[Target]) -> list[Target]:
    """`targets` with every option spelled out: `lower.BACKEND` of the recipe, else the target's
    own, else the backend's default.

    Raises:
        UserError: an option that the backend does not know, with its place; a backend that is not
            there.
    """
    for name in loaded.recipe.lower:
        if name not in backend_names():
            raise UserError(
                f"there is no backend named '{name}'",
                location=loaded.locate("lower", name),
                remedy=f"known are: {', '.join(backend_names())}",
            )
    return [_configured(loaded, target) for target in targets]


def _configured(loaded: LoadedRecipe, target: Target) -> Target:
    schema = get_backend(target.backend).options_schema
    wishes = loaded.recipe.lower.get(target.backend, {})
    validate(schema, target.options, lambda path: Location(f"options of target {target.name}"))
    options = validate(
        schema,
        {**target.options, **wishes},
        lambda path: loaded.locate("lower", target.backend, *path),
    )
    return target.model_copy(update={"options": options.model_dump(mode="json")})
