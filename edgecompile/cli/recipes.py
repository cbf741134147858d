"""`edgecompile recipes`: the models that are known, and a start for a new one."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, verbosity_options


@click.group()
def recipes() -> None:
    """List, show and start recipes."""


@recipes.command("list")
@format_option
@verbosity_options
@click.pass_obj
def list_recipes(app: App, output_format: str) -> int:
    """List every recipe: name and description."""
    from edgecompile.recipe.catalogue import list_entries

    entries, problems = list_entries("recipes")
    if output_format == "json":
        app.json([{**e.data, "name": e.name, "file": str(e.file)} for e in entries])
    else:
        rows = [(entry.name, entry.text("description")) for entry in entries]
        app.columns([("RECIPE", "DESCRIPTION"), *rows])
    return app.problems(problems)


@recipes.command("show")
@click.argument("recipe")
@format_option
@set_option
@verbosity_options
@click.pass_obj
def show_recipe(app: App, recipe: str, output_format: str, overrides: tuple[str, ...]) -> None:
    """Show a recipe with every default spelled out."""
    import yaml

    from edgecompile.recipe.load import load_recipe

    resolved = load_recipe(recipe, overrides).recipe.model_dump(mode="json")
    if output_format == "json":
        app.json(resolved)
    else:
        app.data(yaml.safe_dump(resolved, sort_keys=False).rstrip())


@recipes.command("schema")
@format_option
@verbosity_options
@click.pass_obj
def show_schema(app: App, output_format: str) -> None:
    """Print the JSON Schema of a recipe, for editors, as JSON in either format."""
    from edgecompile.recipe.schema import recipe_json_schema

    app.json(recipe_json_schema())


@recipes.command("new")
@click.argument("name")
@click.option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("recipes"),
    show_default=True,
    help="Folder to put the new recipe's folder in.",
)
@format_option
@verbosity_options
@click.pass_obj
def new_recipe(app: App, name: str, folder: Path, output_format: str) -> None:
    """Write a recipe that builds as it is, to be filled with your own model."""
    from edgecompile.scaffold.recipe import write_recipe

    written = write_recipe(name, folder)
    app.wrote(name, written, f"edgecompile build {folder / name}", output_format)
