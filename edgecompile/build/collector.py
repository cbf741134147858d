"""Steps, collected one by one, each with what its key depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecompile.build.code import backend_code, installed_code, step_code
from edgecompile.build.fingerprint import Fingerprint, Root, fingerprint
from edgecompile.build.step import External, Product, Step
from edgecompile.digest import digest_file, digest_json
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.paths import resolve_file


class StepCollector:
    """The steps of one recipe so far, and the code and packages that they run."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        self.recipe = loaded.recipe
        self.loaded = loaded
        self.folder = loaded.folder
        self.steps: dict[str, Step] = {}
        self.packages: dict[str, str] = {}
        self.user_code: dict[str, Fingerprint] = {}
        """By the reference that the recipe names it with."""
        self.context = {"recipe_folder": str(self.folder)}

    def add_split(self, split: str) -> None:
        """The samples and labels of one split of the data."""
        written: str = getattr(self.recipe.data, split)
        inputs: dict[str, External | Product] = {}
        parameters: dict[str, Any] = {
            "split": split,
            "shape": self.recipe.model.input.shape,
            "prepare": self.recipe.data.prepare,
        }
        if self.recipe.model.input.steps is not None:
            parameters["steps"] = self.recipe.model.input.steps
        user: tuple[Fingerprint, ...] = ()
        if ":" in written:
            parameters["function"] = written
            user += self._code("data", split)
        else:
            inputs["archive"] = self._external(written, "data", split)
        if self.recipe.data.prepare is not None:
            user += self._code("data", "prepare")
        self._add(
            f"data[{split}]",
            "data",
            "edgecompile.evaluate.dataset:prepare_split",
            inputs,
            parameters,
            user=user,
        )

    def _add(
        self,
        name: str,
        stage: str,
        function: str,
        inputs: Mapping[str, External | Product],
        parameters: Mapping[str, Any],
        *,
        after: tuple[str, ...] = (),
        target: str | None = None,
        user: tuple[Fingerprint, ...] = (),
        backend: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        own = step_code(function)
        self.packages.update(own.packages)
        code = [own.digest]
        for theirs in user:
            self.packages.update(theirs.packages)
            code.append(theirs.digest)
        if backend is not None:
            theirs = backend_code(backend)
            self.packages.update(theirs.packages)
            code.append(theirs.digest)
        self.steps[name] = Step(
            name,
            stage,
            function,
            digest_json(code),
            dict(inputs),
            dict(parameters),
            {**self.context, **(context or {})},
            after,
            target,
        )

    def _external(self, written: str, *where: str) -> External:
        path = resolve_file(written, self.folder, self.loaded.locate(*where))
        return External(path, digest_file(path))

    def _code(self, *where: str) -> tuple[Fingerprint, ...]:
        """The fingerprint of the user's module that the recipe names at `where`."""
        value: Any = self.recipe
        for key in where:
            value = getattr(value, key)
        if value not in self.user_code:
            module = value.rpartition(":")[0]
            if module.endswith(".py"):
                file = resolve_file(module, self.folder, self.loaded.locate(*where))
                roots = tuple(dict.fromkeys((Root(self.folder), Root(file.parent))))
                self.user_code[value] = fingerprint(file, roots)
            else:
                found = installed_code(module)
                if found is None:
                    return ()  # the import will fail with a message of its own
                self.user_code[value] = found
        return (self.user_code[value],)

    def _metric(self) -> Any:
        metric = self.recipe.metric
        return metric if isinstance(metric, str) else metric.model_dump(mode="json")

    def _metric_code(self) -> tuple[Fingerprint, ...]:
        """What the metric depends on, if it is a function of the user's."""
        metric = self.recipe.metric
        if isinstance(metric, str):
            return self._code("metric") if ":" in metric else ()
        return self._code("metric", "function")
