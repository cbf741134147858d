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

    from edgecompile.compress.prune.cuts import Cut
    from edgecompile.compress.prune.selection import Allocation
    from edgecompile.compress.training.loop import Training

_STRIDE = 0.1
"""The most of the measure that goes in one of several cuts. Slopes tell what one channel is worth,
not what many are together: after each cut the layers are refit and the slopes taken anew."""
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
            hints = stage["finetune"]["hints"]
            history = fine_tune(
                module, self.unpruned, training, self._seed, kept, hints=hints, masks=masks
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
        from edgecompile.compress.prune.cuts import divergences

        stage = self.parameters["stage"]
        cuts = [
            self._cut_channels("network", refit_each=True),
            self._cut_channels("network", refit_each=False),
            self._cut_channels("layer", refit_each=False),
        ]
        found = divergences(
            cuts,
            self.unpruned,
            training,
            self._data("calibration"),
            self._seed,
            0.0 if stage["finetune"] is None else stage["finetune"]["hints"],
        )
        best = cuts[found.index(min(found))]
        tried = {cut.name: value for cut, value in zip(cuts, found, strict=True)}
        return best, {name: value for name, value in tried.items() if math.isfinite(value)}

    def _cut_channels(self, allocation: Allocation, *, refit_each: bool) -> Cut:
        """This iteration's share; `refit_each`: the layers are refit after each stride."""
        from edgecompile.compress.prune.cost import Measure, module_cost
        from edgecompile.compress.prune.cuts import Cut
        from edgecompile.compress.prune.importance import magnitudes, taylor
        from edgecompile.compress.prune.refit import EXACT_RIDGE, TRAINED_RIDGE, refit_consumers
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
        # Strides follow each other by what the layers give: they are refit as exactly as can be.
        exact = refit_each or stage["finetune"] is None
        ridge = EXACT_RIDGE if exact else TRAINED_RIDGE
        module, whole_cut = copy.deepcopy(self.module), Kept()
        # The same share of every layer is the same at once and in strides.
        strides = self._strides if allocation == "network" else 1
        for stride in range(1, strides + 1):
            before = copy.deepcopy(module)
            behind = (self.parameters["iteration"] - 1 + stride / strides) / stage["iterations"]
            cut = prune_channels(
                module,
                shape,
                importance,
                measure,
                whole * (1 - stage["ratio"] * behind),
                whole * (1 - stage["ratio"]),
                units,
                allocation,
            )
            if refit_each:
                refit_consumers(module, before, cut, samples, ridge)
            whole_cut = whole_cut.then(cut)
        if not refit_each:
            refit_consumers(module, self.module, whole_cut, samples, ridge)
        kept = Kept.of_layers(_kept_of(self.before)).then(whole_cut)
        name = f"{allocation}, refit after {'each stride' if refit_each else 'the last stride'}"
        return Cut(name, module, kept, units)

    @property
    def _strides(self) -> int:
        """How many cuts this iteration may take for its share."""
        stage = self.parameters["stage"]
        return math.ceil(float(stage["ratio"]) / int(stage["iterations"]) / _STRIDE)

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
