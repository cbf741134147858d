"""Many builds in one run: they share the workers, and no failure hides another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgecompile.build.build import BuildOptions, build
from edgecompile.build.execute import Execution, Listener
from edgecompile.build.result import BuildResult
from edgecompile.errors import EdgecompileError, UserError
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.target import Target


@dataclass(frozen=True)
class Entry:
    """One recipe and the targets that it is to be built for."""

    loaded: LoadedRecipe
    targets: tuple[Target, ...]

    @property
    def model(self) -> str:
        """The recipe's name, which is the folder of what is built."""
        return self.loaded.recipe.name


@dataclass(frozen=True)
class EntryResult:
    """How the build of one entry ended: with a result, or with an error that left nothing to say
    of its steps. Without both, an earlier failure kept it from being begun."""

    entry: Entry
    result: BuildResult | None = None
    error: EdgecompileError | None = None

    @property
    def exit_code(self) -> int:
        """As one build of its own would end; 0 also where nothing was begun."""
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.result is None else self.result.exit_code

    @property
    def errors(self) -> list[str]:
        """What to tell, of each target and of the whole."""
        if self.error is not None:
            return [self.error.render()]
        targets = self.result.targets if self.result else ()
        return [target.error for target in targets if target.error is not None]

    def as_json(self, *, costs: bool) -> dict[str, Any]:
        """The result's JSON; without one, the model and why."""
        if self.result is not None:
            return self.result.as_json(costs=costs)
        told = "not begun, as another recipe failed" if self.error is None else self.error.render()
        return {"model": self.entry.model, "error": told, "exit_code": self.exit_code}


async def build_all(
    entries: Sequence[Entry],
    options: BuildOptions,
    how: Execution,
    listener: Callable[[str], Listener],
    *,
    at_once: int = 1,
    keep_going: bool = False,
) -> list[EntryResult]:
    """Build all entries, `at_once` of them side by side, the first ones first.

    Unless `keep_going`, no entry is begun after one has failed; what was begun is finished.
    `listener` is called with a model's name. A failure of an entry is part of its result.

    Raises:
        UserError: two entries have the same name.
    """
    _require_distinct(entries)
    places = asyncio.Semaphore(at_once)
    failed = asyncio.Event()

    async def one(rank: int, entry: Entry) -> EntryResult:
        async with places:
            if failed.is_set() and not keep_going:
                return EntryResult(entry)
            try:
                result = await build(
                    entry.loaded,
                    entry.targets,
                    options,
                    replace(how, rank=rank),
                    listener(entry.model),
                )
                ended = EntryResult(entry, result)
            except EdgecompileError as error:
                ended = EntryResult(entry, error=error)
            if ended.exit_code:
                failed.set()
            return ended

    return list(await asyncio.gather(*(one(rank, e) for rank, e in enumerate(entries))))


def _require_distinct(entries: Sequence[Entry]) -> None:
    folders: dict[str, str] = {}
    for entry in entries:
        folder = str(entry.loaded.folder)
        if entry.model in folders:
            raise UserError(
                f"two recipes are named '{entry.model}': {folders[entry.model]} and {folder}",
                location=entry.loaded.locate("name"),
                remedy="both would be built into one folder: give one another `name`",
            )
        folders[entry.model] = folder
