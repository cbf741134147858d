"""The steps that a recipe and its targets need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgecompile.backends.protocol import LowersByData
from edgecompile.backends.registry import get_backend
from edgecompile.build import lowering
from edgecompile.build.collector import StepCollector
from edgecompile.build.fingerprint import merged
from edgecompile.build.lowering import SPIKE
from edgecompile.build.plan import BASELINE, Measurement, Plan
from edgecompile.build.pruning import pruning_measure
from edgecompile.build.step import External, Product
from edgecompile.digest import digest_file, digest_path
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.schema import CALIBRATED, INTEGER_BITS, improve_methods, training_stages
from edgecompile.recipe.target import Target, fallback_precisions, precision_for


class PlanBuilder(StepCollector):
    """Knows which steps a recipe and its targets need; one that is there already is shared."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        super().__init__(loaded)
        self.measurements: list[Measurement] = []
        self.pruned: str | None = None
        """The last step of pruning, whose network is exported."""

    def plan(self) -> Plan:
        """What was collected."""
        return Plan(
            tuple(self.steps.values()),
            tuple(self.measurements),
            merged(self.user_code.values()),
            dict(sorted(self.packages.items())),
        )

    def add_data(self, targets: Sequence[Target]) -> None:
        """All data that the build needs, first: a wrong file is told before anything slow."""
        self.add_split("evaluation")
        precisions = {precision_for(self.recipe.stages.quantize, target) for target in targets}
        spikes = "spiking" in precisions
        if self._prunes_by_data() or spikes or not precisions.isdisjoint(CALIBRATED):
            self.add_split("calibration")
        if training_stages(self.recipe) or (spikes and self.recipe.data.train is not None):
            self.add_split("train")

    def _prunes_by_data(self) -> bool:
        """Whether pruning looks at the calibration data: for slopes, or to refit layers."""
        stage = self.recipe.stages.prune
        return stage is not None and (stage.importance == "taylor" or stage.method == "structured")

    def add_baseline(self) -> None:
        """The PyTorch model, measured on the evaluation data."""
        self._add_module_run(BASELINE, "pytorch", self._module_files(None))
        self._measure("pytorch", BASELINE, "run[pytorch]", None)

    def _add_module_run(
        self, name: str, stage: str, weights: Mapping[str, External | Product]
    ) -> None:
        self._add(
            f"run[{name}]",
            stage,
            "edgecompile.frontend.steps:run_baseline",
            {**weights, "samples": Product("data[evaluation]", "samples.npy")},
            {"source": self.recipe.model.source},
            user=self._code("model", "source"),
        )

    def add_pruning(self) -> None:
        """One step for each iteration, each measured; the budget is held at the last."""
        stage = self.recipe.stages.prune
        if stage is None:
            return
        samples = {
            **(lowering.samples_of("train") if stage.finetune is not None else {}),
            **(lowering.samples_of("calibration") if self._prunes_by_data() else {}),
        }
        metric, measure = self.recipe.metric, pruning_measure(self.loaded)
        for iteration in range(1, stage.iterations + 1):
            name, previous = f"prune[{iteration}]", self.pruned or BASELINE
            self._add(
                name,
                "prune",
                "edgecompile.compress.prune.steps:prune",
                {**self._weights(), **self._module_files(self.pruned), **samples},
                {
                    "source": self.recipe.model.source,
                    "shape": self.recipe.model.input.shape,
                    "metric": metric if isinstance(metric, str) else metric.function,
                    "stage": stage.model_dump(mode="json", exclude={"measure", "target"}),
                    "measure": measure,
                    "iteration": iteration,
                },
                after=(f"measure[{previous}]",),
                user=self._code("model", "source"),
                context={"recipe_place": asdict(self.loaded.locate("stages", "prune"))},
            )
            self._add_module_run(name, "prune", self._module_files(name))
            last = iteration == stage.iterations
            self._measure("prune", name, f"run[{name}]", previous, product=name)
            self._judge_last(judged_from=f"measure[{BASELINE}]", judged=last)
            self.pruned = name

    def add_hub(self, measured: bool) -> None:
        """Export and simplification, shared by all targets."""
        model = self.recipe.model
        previous = self.pruned or BASELINE
        self._add(
            "export",
            "export",
            "edgecompile.frontend.steps:export",
            self._module_files(self.pruned),
            {"source": model.source, "shape": model.input.shape},
            user=self._code("model", "source"),
            after=(f"measure[{previous}]",) if measured else (),
        )
        if measured:
            self._add_hub_run("export", "export", "model.onnx", previous)
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
        """One artifact from outside, a file or a folder, run and measured."""
        self._add(
            "run[artifact]",
            "artifact",
            "edgecompile.backends.steps:run",
            {"artifact": External(artifact, digest_path(artifact)), **self._run_inputs(backend)},
            {"backend": backend, "options": dict(options), **self._run_parameters(backend)},
            backend=backend,
        )
        self._measure("artifact", "artifact", "run[artifact]", BASELINE)

    def add_device_run(self, outputs: Path, samples: str) -> None:
        """What a device made of the samples whose file has the digest `samples`, measured."""
        self._add(
            "run[artifact]",
            "artifact",
            "edgecompile.evaluate.device:import_outputs",
            {
                "outputs": External(outputs, digest_file(outputs)),
                "samples": Product("data[evaluation]", "samples.npy"),
            },
            {"samples": samples},
        )
        self._measure("artifact", "artifact", "run[artifact]", BASELINE)

    def _run_inputs(self, backend: str, hub: str | None = None) -> dict[str, External | Product]:
        """What a run reads beside its artifact; an emulator's, to know how many samples."""
        spikes = self.recipe.model.input.steps is not None
        file = "spikes" if spikes and isinstance(get_backend(backend), LowersByData) else "samples"
        inputs: dict[str, External | Product] = {
            "samples": Product("data[evaluation]", f"{file}.npy")
        }
        if get_backend(backend).evidence.emulated:
            inputs["labels"] = Product("data[evaluation]", "labels.npy")
            if hub is not None:
                inputs["hub"] = Product(hub, "hub.onnx")
        return inputs

    def _run_parameters(self, backend: str) -> dict[str, Any]:
        evidence = get_backend(backend).evidence
        # What a machine with the device measured is not what one without it did.
        parameters: dict[str, Any] = {"evidence": str(evidence)}
        if evidence.emulated:
            parameters["emulated_samples"] = self.recipe.data.emulated_samples
        return parameters

    def _weights(self) -> dict[str, External | Product]:
        written = self.recipe.model.weights
        return {} if written is None else {"weights": self._external(written, "model", "weights")}

    def _module_files(self, pruned: str | None) -> dict[str, External | Product]:
        """The weights of the network that `pruned` left, or of the user's own."""
        return self._weights() if pruned is None else {"pruned": Product(pruned)}

    def add_check(self, target: Target) -> None:
        """The target's own check of the float hub."""
        self._add(
            f"check[{target.name}]",
            "check",
            "edgecompile.backends.steps:check",
            {"hub": Product("simplify", "hub.onnx")},
            {
                "target": target.model_dump(mode="json"),
                "precision": precision_for(self.recipe.stages.quantize, target),
            },
            target=target.name,
            backend=target.backend,
        )

    def add_target(self, target: Target) -> None:
        """Quantize for the target's scheme (shared), lower, run and measure."""
        precision = precision_for(self.recipe.stages.quantize, target)
        previous, stage = "simplify", "lower"
        if precision == "spiking":
            previous = stage = self._add_spike()
        elif precision in INTEGER_BITS:
            previous = self._add_quantize(target)
        elif precision != "fp32":
            previous = self._add_narrow(precision)
        lower, run = f"lower[{target.name}]", f"run[{target.name}]"
        spikes = stage == SPIKE
        self._add(
            lower,
            stage,
            "edgecompile.backends.steps:lower",
            lowering.lower_inputs(self.recipe, previous),
            lowering.lower_parameters(target) | (self._tuning() if spikes else {}),
            after=(f"check[{target.name}]", f"measure[{previous}]"),
            target=target.name,
            user=self._metric_code() if spikes else (),
            backend=target.backend,
        )
        self._add(
            run,
            stage,
            "edgecompile.backends.steps:run",
            {
                "artifact": Product(lower, get_backend(target.backend).main_file),
                **self._run_inputs(target.backend, previous),
            },
            # Not the whole target: two devices with the same file and options share one run.
            {
                "backend": target.backend,
                "options": target.options,
                **self._run_parameters(target.backend),
            },
            target=target.name,
            backend=target.backend,
        )
        twin = f"kernels[{previous}]" if precision == "int8" else None
        self._measure(stage, target.name, run, previous, twin, lower, target.name)
        if spikes:
            self._judge_last(judged_from=f"measure[{BASELINE}]")

    def _judge_last(self, **how: Any) -> None:
        """Change how the last measurement is held against the budgets."""
        self.measurements[-1] = replace(self.measurements[-1], **how)

    def _tuning(self) -> dict[str, Any]:
        return lowering.tuning_parameters(self.recipe, self._metric())

    def _add_spike(self) -> str:
        """Thresholds for every activation, decided once for all chips."""
        if SPIKE not in self.steps:
            self._add(
                SPIKE,
                SPIKE,
                "edgecompile.backends.spiking.steps:spike",
                lowering.spike_inputs(self.recipe),
                self._tuning(),
                after=("measure[simplify]",),
                user=self._metric_code(),
            )
            self._add_hub_run(SPIKE, SPIKE, "hub.onnx", "simplify")
            # What counts is the chip's result: thresholds alone lose little or are trained.
            self._judge_last(judged=False)
        return SPIKE

    def _add_quantize(self, target: Target) -> str:
        stage = self.recipe.stages.quantize
        fallback = fallback_precisions(stage, target)
        name = f"quantize[{'+'.join([target.scheme, *fallback])}]"
        if name in self.steps:
            # One step serves several targets: it may start once any of their checks passed.
            return name
        wishes = {
            "budget": self.recipe.budgets.quantize,
            "least_db": self.recipe.agreement.quantize,
            "methods": improve_methods(stage),
            "time_limit": stage.time_limit,
            "fallback": fallback,
            "fallback_operators": stage.fallback_operators,
            "sensitivity": stage.sensitivity,
        }
        trained, training = {}, None
        if stage.finetune is not None:
            trained = lowering.samples_of("train")
            training = {**stage.finetune.model_dump(mode="json"), "seed": stage.seed}
        self._add(
            name,
            "quantize",
            "edgecompile.compress.steps:quantize_hub",
            {
                "hub": Product("simplify", "hub.onnx"),
                **lowering.samples_of("calibration"),
                **trained,
            },
            {
                "scheme": target.scheme,
                "precision": stage.precision,
                "per_channel": stage.per_channel,
                "calibration_samples": stage.calibration_samples,
                "wishes": wishes,
                "training": training,
                "metric": self._metric(),
            },
            after=("measure[simplify]",),
            user=self._metric_code(),
        )
        self._add_hub_run("quantize", name, "hub.onnx", "simplify")
        if stage.precision == "int8":
            self._add_run(f"kernels[{name}]", name, "hub.onnx", "run_integer_kernels")
        return name

    def _add_narrow(self, precision: str) -> str:
        """Small weights with float arithmetic, the same for every scheme."""
        name, stage = f"quantize[{precision}]", self.recipe.stages.quantize
        if name not in self.steps:
            inputs = {"hub": Product("simplify", "hub.onnx")}
            parameters: dict[str, Any] = {"precision": precision, "per_channel": stage.per_channel}
            if precision in CALIBRATED:
                inputs["samples"] = Product("data[calibration]", "samples.npy")
                parameters["calibration_samples"] = stage.calibration_samples
            self._add(
                name,
                "quantize",
                "edgecompile.compress.steps:narrow_hub",
                inputs,
                parameters,
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
