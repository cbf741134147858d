"""From a recipe and its targets to a plan: a DAG of steps, shared work appearing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import edgecompile
from edgecompile.backends.registry import get_backend
from edgecompile.build.code import backend_code, installed_code, step_code
from edgecompile.build.fingerprint import Fingerprint, Root, fingerprint, merged
from edgecompile.build.step import External, Product, Step
from edgecompile.digest import digest_file, digest_json
from edgecompile.errors import TargetCannotRun
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.paths import resolve_file
from edgecompile.recipe.schema import improve_methods
from edgecompile.recipe.target import Target

_PACKAGE = Path(edgecompile.__file__).parent
BASELINE = "pytorch"


@dataclass(frozen=True)
class Measurement:
    """Which steps tell what one stage did: `measure` scores the outputs that `run` produced."""

    stage: str
    measure: str
    product: str
    previous: str | None
    target: str | None = None


@dataclass(frozen=True)
class Plan:
    """All steps in an order that respects their needs, and the measurements among them."""

    steps: tuple[Step, ...]
    measurements: tuple[Measurement, ...]
    user_code: Fingerprint
    packages: dict[str, str]
    refused: Mapping[str, TargetCannotRun] = field(default_factory=dict)
    """Targets that no step is planned for, and why."""

    def measurement_of(self, step: str) -> Measurement | None:
        """The measurement that the step `step` completes."""
        return next((m for m in self.measurements if m.measure == step), None)


def make_plan(loaded: LoadedRecipe, targets: Sequence[Target], *, measured: bool = True) -> Plan:
    """Plan a build. Reads the recipe's files to know their content, runs nothing.

    Without `measured`, the plan ends with the checks of the targets.

    Raises:
        UserError: a file that the recipe names is missing or leaves its folder.
        TargetCannotRun: no target holds the recipe's precision.
    """
    errors = {target.name: _precision_error(loaded, target) for target in targets}
    refused = {name: error for name, error in errors.items() if error is not None}
    if targets and len(refused) == len(errors):
        raise next(iter(refused.values()))
    targets = [target for target in targets if target.name not in refused]
    builder = _PlanBuilder(loaded)
    if measured:
        builder.add_data()
        builder.add_baseline()
    builder.add_hub(measured)
    for target in targets:
        builder.add_check(target)
    if measured:
        for target in targets:
            builder.add_target(target)
    return replace(builder.plan(), refused=refused)


def make_artifact_plan(
    loaded: LoadedRecipe, artifact: Path, backend: str, options: Mapping[str, Any]
) -> Plan:
    """Plan the measurement of one artifact file beside the recipe's PyTorch model."""
    builder = _PlanBuilder(loaded)
    builder.add_split("evaluation")
    builder.add_baseline()
    builder.add_artifact(artifact, backend, options)
    return builder.plan()


def _precision_error(loaded: LoadedRecipe, target: Target) -> TargetCannotRun | None:
    precision = loaded.recipe.stages.quantize.precision
    if precision in target.precisions:
        return None
    return TargetCannotRun(
        f"the target {target.name} has no precision '{precision}'",
        location=loaded.locate("stages", "quantize", "precision"),
        remedy=f"it has: {', '.join(target.precisions)}",
    )


class _PlanBuilder:
    """Collects steps; asking for one that is there already shares it."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        self.recipe = loaded.recipe
        self.loaded = loaded
        self.folder = loaded.folder
        self.steps: dict[str, Step] = {}
        self.measurements: list[Measurement] = []
        self.packages: dict[str, str] = {}
        self.user_code: dict[str, Fingerprint] = {}
        """By the reference that the recipe names it with."""
        self.context = {"recipe_folder": str(self.folder)}

    def plan(self) -> Plan:
        """What was collected."""
        return Plan(
            tuple(self.steps.values()),
            tuple(self.measurements),
            merged(self.user_code.values()),
            dict(sorted(self.packages.items())),
        )

    def add_data(self) -> None:
        """All data that the build needs, first: a wrong file is told before anything slow."""
        self.add_split("evaluation")
        if self.recipe.stages.quantize.precision == "int8":
            self.add_split("calibration")

    def add_baseline(self) -> None:
        """The PyTorch model, measured on the evaluation data."""
        self._add(
            "run[pytorch]",
            "pytorch",
            "edgecompile.frontend.steps:run_baseline",
            {**self._weights(), "samples": Product("data[evaluation]", "samples.npy")},
            {"source": self.recipe.model.source},
            user=self._code("model", "source"),
        )
        self._measure("pytorch", BASELINE, "run[pytorch]", None)

    def add_hub(self, measured: bool) -> None:
        """Export and simplification, shared by all targets."""
        model = self.recipe.model
        self._add(
            "export",
            "export",
            "edgecompile.frontend.steps:export",
            self._weights(),
            {"source": model.source, "shape": model.input.shape},
            user=self._code("model", "source"),
            after=(f"measure[{BASELINE}]",) if measured else (),
        )
        if measured:
            self._add_hub_run("export", "export", "model.onnx", BASELINE)
        self._add(
            "simplify",
            "simplify",
            "edgecompile.graph.steps:simplify_hub",
            {"model": Product("export", "model.onnx")},
            {},
            after=("measure[export]",) if measured else (),
        )
        if measured:
            self._add_hub_run("simplify", "simplify", "hub.onnx", "export")

    def add_artifact(self, artifact: Path, backend: str, options: Mapping[str, Any]) -> None:
        """One file from outside, run and measured."""
        self._add(
            "run[artifact]",
            "artifact",
            "edgecompile.backends.steps:run",
            {
                "artifact": External(artifact, digest_file(artifact)),
                "samples": Product("data[evaluation]", "samples.npy"),
            },
            {"backend": backend, "options": dict(options)},
            backend=backend,
        )
        self._measure("artifact", "artifact", "run[artifact]", BASELINE)

    def _weights(self) -> dict[str, External | Product]:
        written = self.recipe.model.weights
        return {} if written is None else {"weights": self._external(written, "model", "weights")}

    def add_check(self, target: Target) -> None:
        """The target's own check of the float hub."""
        self._add(
            f"check[{target.name}]",
            "check",
            "edgecompile.backends.steps:check",
            {"hub": Product("simplify", "hub.onnx")},
            {
                "target": target.model_dump(mode="json"),
                "precision": self.recipe.stages.quantize.precision,
            },
            target=target.name,
            backend=target.backend,
        )

    def add_target(self, target: Target) -> None:
        """Quantize for the target's scheme (shared), lower, run and measure."""
        precision = self.recipe.stages.quantize.precision
        previous = "simplify"
        if precision == "int8":
            previous = self._add_quantize(target)
        elif precision != "fp32":
            previous = self._add_narrow(precision)
        lower, run = f"lower[{target.name}]", f"run[{target.name}]"
        self._add(
            lower,
            "lower",
            "edgecompile.backends.steps:lower",
            {"hub": Product(previous, "hub.onnx")},
            {"target": target.model_dump(mode="json")},
            after=(f"check[{target.name}]", f"measure[{previous}]"),
            target=target.name,
            backend=target.backend,
        )
        self._add(
            run,
            "lower",
            "edgecompile.backends.steps:run",
            {
                "artifact": Product(lower, get_backend(target.backend).main_file),
                "samples": Product("data[evaluation]", "samples.npy"),
            },
            # Not the whole target: two devices with the same file and options share one run.
            {"backend": target.backend, "options": target.options},
            target=target.name,
            backend=target.backend,
        )
        twin = f"kernels[{previous}]" if precision == "int8" else None
        self._measure("lower", target.name, run, previous, twin, lower, target.name)

    def _add_quantize(self, target: Target) -> str:
        stage = self.recipe.stages.quantize
        may_put_back = stage.fallback and "fp32" in target.precisions
        name = f"quantize[{target.scheme}{'+float' if may_put_back else ''}]"
        if name in self.steps:
            # One step serves several targets: it may start once any of their checks passed.
            return name
        wishes = {
            "budget": self.recipe.budgets.quantize,
            "least_db": self.recipe.agreement.quantize,
            "methods": improve_methods(stage),
            "time_limit": stage.time_limit,
            "most_float_operators": stage.fallback_operators if may_put_back else 0,
            "sensitivity": stage.sensitivity,
        }
        self._add(
            name,
            "quantize",
            "edgecompile.compress.steps:quantize_hub",
            {
                "hub": Product("simplify", "hub.onnx"),
                "samples": Product("data[calibration]", "samples.npy"),
                "labels": Product("data[calibration]", "labels.npy"),
            },
            {
                "scheme": target.scheme,
                "per_channel": stage.per_channel,
                "calibration_samples": stage.calibration_samples,
                "wishes": wishes,
                "metric": self._metric(),
            },
            after=("measure[simplify]",),
            user=self._metric_code(),
        )
        self._add_hub_run("quantize", name, "hub.onnx", "simplify")
        self._add_run(f"kernels[{name}]", name, "hub.onnx", "run_integer_kernels")
        return name

    def _add_narrow(self, precision: str) -> str:
        """Small weights with float arithmetic, the same for every scheme."""
        name = f"quantize[{precision}]"
        if name not in self.steps:
            self._add(
                name,
                "quantize",
                "edgecompile.compress.steps:narrow_hub",
                {"hub": Product("simplify", "hub.onnx")},
                {
                    "precision": precision,
                    "per_channel": self.recipe.stages.quantize.per_channel,
                },
                after=("measure[simplify]",),
            )
            self._add_hub_run("quantize", name, "hub.onnx", "simplify")
        return name

    def _add_hub_run(self, stage: str, name: str, file: str, previous: str) -> None:
        self._add_run(f"run[{name}]", name, file, "run_hub")
        self._measure(stage, name, f"run[{name}]", previous, product=name)

    def _add_run(self, run: str, name: str, file: str, function: str) -> None:
        self._add(
            run,
            self.steps[name].stage,
            f"edgecompile.evaluate.session:{function}",
            {
                "model": Product(name, file),
                "samples": Product("data[evaluation]", "samples.npy"),
            },
            {},
        )

    def _measure(
        self,
        stage: str,
        name: str,
        run: str,
        previous: str | None,
        twin: str | None = None,
        product: str | None = None,
        target: str | None = None,
    ) -> None:
        inputs: dict[str, External | Product] = {
            "outputs": Product(run, "outputs.npz"),
            "labels": Product("data[evaluation]", "labels.npy"),
            "samples": Product("data[evaluation]", "samples.npy"),
        }
        if name != BASELINE:
            inputs["baseline"] = Product("run[pytorch]", "outputs.npz")
        if previous not in (None, BASELINE):
            inputs["previous"] = Product(f"run[{previous}]", "outputs.npz")
        if twin is not None and previous is not None:
            inputs["twin"] = Product(twin, "outputs.npz")
            inputs["grid"] = Product(previous, "grid.json")
        self._add(
            f"measure[{name}]",
            stage,
            "edgecompile.evaluate.steps:measure",
            inputs,
            {"metric": self._metric()},
            user=self._metric_code(),
            target=target,
        )
        self.measurements.append(
            Measurement(
                stage,
                f"measure[{name}]",
                product or run,
                None if previous is None else f"measure[{previous}]",
                target,
            )
        )

    def _metric(self) -> Any:
        metric = self.recipe.metric
        return metric if isinstance(metric, str) else metric.model_dump(mode="json")

    def _metric_code(self) -> tuple[Fingerprint, ...]:
        """What the metric depends on, if it is a function of the user's."""
        metric = self.recipe.metric
        if isinstance(metric, str):
            return self._code("metric") if ":" in metric else ()
        return self._code("metric", "function")

    def add_split(self, split: str) -> None:
        """The samples and labels of one split of the data."""
        written: str = getattr(self.recipe.data, split)
        inputs: dict[str, External | Product] = {}
        parameters: dict[str, Any] = {
            "split": split,
            "shape": self.recipe.model.input.shape,
            "prepare": self.recipe.data.prepare,
        }
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
            self.context,
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
