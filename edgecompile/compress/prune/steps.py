"""The pruning steps of a build: one iteration each, resumed from the one before."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.errors import EdgecompileError, Location

if TYPE_CHECKING:
    import torch

    from edgecompile.compress.prune.couplings import Coupling
    from edgecompile.compress.prune.cuts import Cut, Start
    from edgecompile.compress.prune.importance import Projections
    from edgecompile.compress.training.loop import Training

_STRIDE = 0.1
"""The most of the measure that goes at once; then the importance is taken anew."""


def prune(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """One iteration -> pruning.json and weights.safetensors (edgecompile.frontend.pruned).

    `inputs`: `weights` of the user; `pruned`, the folder of the iteration before; `train_samples`
    and `train_labels`; `calibration_samples` and `calibration_labels`.
    """
    from edgecompile.compress.training.loop import fixed_threads

    try:
        with fixed_threads():
            return _Iteration.start(inputs, parameters).carry_out(folder)
    except EdgecompileError as error:
        error.location = error.location or _place(parameters)
        raise


def _place(parameters: Mapping[str, Any]) -> Location | None:
    """Where the recipe asks for pruning; steps know the recipe only by what it gives them."""
    place = parameters.get("recipe_place")
    return None if place is None else Location(**place)


@dataclass(frozen=True)
class _Iteration:
    """What one iteration starts from."""

    inputs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    unpruned: torch.nn.Module
    module: torch.nn.Module
    before: Mapping[str, Any]
    """`pruning.json` of the iteration before; empty for the first."""

    @classmethod
    def start(cls, inputs: Mapping[str, Path], parameters: Mapping[str, Any]) -> _Iteration:
        from edgecompile.frontend.module import build_module
        from edgecompile.frontend.pruned import load_pruned, read_pruning

        recipe = Path(parameters["recipe_folder"])
        unpruned = build_module(parameters["source"], inputs.get("weights"), recipe)
        if "pruned" not in inputs:
            return cls(inputs, parameters, unpruned, copy.deepcopy(unpruned), {})
        module = load_pruned(parameters["source"], inputs["pruned"], recipe)
        return cls(inputs, parameters, unpruned, module, read_pruning(inputs["pruned"]))

    @property
    def share(self) -> float:
        """How much of the whole way this iteration ends at."""
        return float(self.parameters["iteration"] / self.parameters["stage"]["iterations"])

    def carry_out(self, folder: Path) -> dict[str, Any]:
        from edgecompile.compress.prune.cost import module_cost
        from edgecompile.compress.prune.finetune import fine_tune
        from edgecompile.compress.prune.surgery import Kept
        from edgecompile.frontend.pruned import save_pruned

        stage, shape = self.parameters["stage"], self.parameters["shape"]
        first = module_cost(self.unpruned, shape)
        training = self._training()
        if stage["method"] == "structured":
            cut, tried = self._best_cut(training)
            module, kept, masks = cut.module, cut.kept, None
            facts = {"units": cut.units, "tried": tried}
        else:
            module, kept, masks = self.module, Kept(), self._cut_weights()
            facts = {"units": {}}
        history: list[float] = []
        if training is not None:
            history = fine_tune(
                module, self.unpruned, training, self._seed, kept, hints=self._hints, masks=masks
            )
        cost = module_cost(module, shape)
        facts |= {"iteration": self.parameters["iteration"], "method": stage["method"]}
        save_pruned(module, self.unpruned, kept.by_layer(), facts, folder)
        return {
            "cost": asdict(cost),
            "cost_before": asdict(first),
            "losses": [float(f"{loss:.6g}") for loss in history],
            "parameter_bytes": sum(p.numel() * p.element_size() for p in module.parameters()),
        }

    def _best_cut(self, training: Training | None) -> tuple[Cut, dict[str, float]]:
        """The cut that is least far from the unpruned network, and how far each is."""
        from edgecompile.compress.prune.cuts import cuts_of
        from edgecompile.compress.prune.surgery import Kept
        from edgecompile.compress.prune.trials import divergences

        before = Kept.of_layers(_kept_of(self.before))
        cuts = [  # their channels numbered as the unpruned network has them
            replace(cut, kept=before.then(cut.kept))
            for cut in cuts_of(self._cutting(), self._importance)
        ]
        found = divergences(
            cuts, self.unpruned, training, self._calibration, self._seed, self._hints
        )
        best = cuts[found.index(min(found))]
        tried = {cut.name: value for cut, value in zip(cuts, found, strict=True)}
        return best, {name: value for name, value in tried.items() if math.isfinite(value)}

    def _cutting(self) -> Start:
        """This iteration's share of what goes, in strides."""
        from edgecompile.compress.prune.cost import Measure, module_cost
        from edgecompile.compress.prune.cuts import Start

        stage, shape = self.parameters["stage"], self.parameters["shape"]
        measure = Measure(**self.parameters["measure"])
        whole = measure.of(module_cost(self.unpruned, shape))
        ratio, iterations = float(stage["ratio"]), int(stage["iterations"])
        strides = math.ceil(ratio / iterations / _STRIDE)
        begun = self.parameters["iteration"] - 1
        behind = [(begun + stride / strides) / iterations for stride in range(1, strides + 1)]
        return Start(
            module=self.module,
            shape=shape,
            units=self.before.get("units", {}),
            samples=self._calibration[0],
            measure=measure,
            goals=[whole * (1 - ratio * share) for share in behind],
            final_goal=whole * (1 - ratio),
            trained=stage["finetune"] is not None,
        )

    def _importance(
        self, module: torch.nn.Module, couplings: Sequence[Coupling]
    ) -> list[torch.Tensor]:
        from edgecompile.compress.prune.importance import magnitudes, taylor

        kind = self.parameters["stage"]["importance"]
        if kind == "taylor":
            return taylor(module, couplings, self._projections())
        return magnitudes(module, couplings, 1 if kind == "l1" else 2)

    @property
    def _hints(self) -> float:
        finetune = self.parameters["stage"]["finetune"]
        return 0.0 if finetune is None else float(finetune["hints"])

    @property
    def _seed(self) -> int:
        return int(self.parameters["stage"]["seed"] + self.parameters["iteration"])

    def _cut_weights(self) -> dict[str, torch.Tensor]:
        from edgecompile.compress.prune.sparsity import (
            apply_masks,
            scores_of,
            two_of_four_masks,
            unstructured_masks,
        )

        stage = self.parameters["stage"]
        projections = self._projections() if stage["importance"] == "taylor" else None
        scores = scores_of(self.module, stage["importance"], projections)
        if stage["method"] == "2:4":
            masks = two_of_four_masks(self.module, scores, self.share)
        else:
            masks = unstructured_masks(self.module, scores, stage["ratio"] * self.share)
        apply_masks(self.module, masks)
        return masks

    def _projections(self) -> Projections:
        from edgecompile.compress.prune.importance import output_projections

        return output_projections(self._calibration[0], self.parameters["stage"]["seed"])

    def _training(self) -> Training | None:
        from edgecompile.compress.training.data import training_data

        options = self.parameters["stage"]["finetune"]
        if options is None:
            return None
        return training_data(self.inputs, "prune", options, self.parameters["metric"])

    @cached_property
    def _calibration(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Samples (samples, ...), and their classes where the metric counts classes."""
        from edgecompile.compress.training.data import load_split

        return load_split(self.inputs, "calibration", self.parameters["metric"])


def _kept_of(pruning: Mapping[str, Any]) -> dict[str, Any]:
    return {name: layer["kept"] for name, layer in pruning.get("layers", {}).items()}
