"""The pruning steps of a build: one iteration each, resumed from the one before."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.errors import EdgecompileError, Location

if TYPE_CHECKING:
    import torch

    from edgecompile.compress.prune.surgery import Kept
    from edgecompile.compress.training.loop import Training

_STRIDE = 0.1
"""The most of the measure that is cut at once. Slopes tell what one channel is worth, not what many
are together: after each cut the layers are refit and the slopes taken anew."""
_TAYLOR_BATCH = 16
"""Small, since slopes of opposite samples cancel within a batch."""


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
        from edgecompile.frontend.pruned import save_pruned

        stage, shape = self.parameters["stage"], self.parameters["shape"]
        first = module_cost(self.unpruned, shape)
        kept, units, masks = self._cut()
        history: list[float] = []
        training = self._training()
        if training is not None:
            seed = stage["seed"] + self.parameters["iteration"]
            history = fine_tune(
                self.module,
                self.unpruned,
                training,
                seed,
                kept,
                hints=stage["finetune"]["hints"],
                masks=masks,
            )
        cost = module_cost(self.module, shape)
        facts = {
            "iteration": self.parameters["iteration"],
            "method": stage["method"],
            "units": units,
        }
        save_pruned(self.module, self.unpruned, kept.by_layer(), facts, folder)
        return {
            "cost": asdict(cost),
            "cost_before": asdict(first),
            "losses": [float(f"{loss:.6g}") for loss in history],
            "parameter_bytes": sum(p.numel() * p.element_size() for p in self.module.parameters()),
        }

    def _cut(self) -> tuple[Kept, dict[str, int], dict[str, torch.Tensor] | None]:
        """Take away this iteration's share: kept channels, units of each root, masks."""
        from edgecompile.compress.prune.surgery import Kept

        if self.parameters["stage"]["method"] == "structured":
            kept, units = self._cut_channels()
            return kept, units, None
        return Kept(), {}, self._cut_weights()

    def _cut_channels(self) -> tuple[Kept, dict[str, int]]:
        from edgecompile.compress.prune.cost import Measure, module_cost
        from edgecompile.compress.prune.importance import magnitudes, taylor
        from edgecompile.compress.prune.refit import refit_consumers
        from edgecompile.compress.prune.structured import prune_channels
        from edgecompile.compress.prune.surgery import Kept

        stage, shape = self.parameters["stage"], self.parameters["shape"]
        measure = Measure(**self.parameters["measure"])
        whole = measure.of(module_cost(self.unpruned, shape))
        units: dict[str, int] = dict(self.before.get("units", {}))

        def importance(module: torch.nn.Module, couplings: Any) -> list[torch.Tensor]:
            if stage["importance"] == "taylor":
                return taylor(module, couplings, self._losses())
            return magnitudes(module, couplings, 1 if stage["importance"] == "l1" else 2)

        samples = self._data("calibration")[0]
        kept = Kept.of_layers(_kept_of(self.before))
        for share in self._strides():
            before = copy.deepcopy(self.module)
            cut = prune_channels(
                self.module,
                shape,
                importance,
                measure,
                whole * (1 - stage["ratio"] * share),
                whole * (1 - stage["ratio"]),
                units,
            )
            refit_consumers(self.module, before, cut, samples)
            kept = kept.then(cut)
        return kept, units

    def _strides(self) -> list[float]:
        """How much of the whole way is behind after each cut of this iteration."""
        iteration, stage = self.parameters["iteration"], self.parameters["stage"]
        count = math.ceil(stage["ratio"] / stage["iterations"] / _STRIDE)
        return [(iteration - 1 + (i + 1) / count) / stage["iterations"] for i in range(count)]

    def _cut_weights(self) -> dict[str, torch.Tensor]:
        from edgecompile.compress.prune.sparsity import (
            apply_masks,
            scores_of,
            two_of_four_masks,
            unstructured_masks,
        )

        stage = self.parameters["stage"]
        losses = self._losses() if stage["importance"] == "taylor" else None
        scores = scores_of(self.module, stage["importance"], losses)
        if stage["method"] == "2:4":
            masks = two_of_four_masks(self.module, scores, self.share)
        else:
            masks = unstructured_masks(self.module, scores, stage["ratio"] * self.share)
        apply_masks(self.module, masks)
        return masks

    def _losses(self) -> Callable[[torch.nn.Module], Iterator[torch.Tensor]]:
        """Losses on the calibration data, for importance by slope."""
        from edgecompile.compress.training.losses import calibration_losses

        samples, classes = self._data("calibration")
        seed = self.parameters["stage"]["seed"]
        return calibration_losses(samples, classes, _TAYLOR_BATCH, seed)

    def _training(self) -> Training | None:
        from edgecompile.compress.training.data import training_data

        options = self.parameters["stage"]["finetune"]
        if options is None:
            return None
        return training_data(self.inputs, "prune", options, self.parameters["metric"])

    def _data(self, split: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        from edgecompile.compress.training.data import load_split

        return load_split(self.inputs, split, self.parameters["metric"])


def _kept_of(pruning: Mapping[str, Any]) -> dict[str, Any]:
    return {name: layer["kept"] for name, layer in pruning.get("layers", {}).items()}
