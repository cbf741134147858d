"""`python -m benchmarks.pruning RECIPE...`: our pruning against uniform L1 pruning.

Both remove channels until the same multiply-accumulates are left, and both are fine-tuned by the
same options with the same seed. Uniform L1 is the field's plain way (Li et al., "Pruning Filters
for Efficient ConvNets", ICLR 2017, arXiv:1608.08710): the same share of every layer's channels,
those with the smallest weights. It is given the benefit of a doubt: never fewer MACs than ours.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path

import torch

from benchmarks.builds import build
from benchmarks.inputs import load_module, load_split
from edgecompile.compress.prune.cost import Measure, count_macs
from edgecompile.compress.prune.couplings import find_couplings
from edgecompile.compress.prune.finetune import fine_tune
from edgecompile.compress.prune.importance import magnitudes
from edgecompile.compress.prune.surgery import Kept, remove_channels
from edgecompile.compress.training.loop import Training, fixed_threads
from edgecompile.compress.training.losses import classes_of
from edgecompile.evaluate.outputs import as_arrays
from edgecompile.evaluate.scoring import score
from edgecompile.recipe.load import LoadedRecipe, load_recipe
from edgecompile.recipe.paths import data_folder

_STAGE = (
    "ratio: 0.5, importance: taylor, finetune: {epochs: 3, learning_rate: 0.006, batch: 128, "
    "distillation: 0.9, hints: 1}"
)


def ours(recipe: str, overrides: list[str]) -> tuple[float, float, int]:
    """Metric of PyTorch and of the pruned network, and its MACs, as the build reports them."""
    sets = [word for override in overrides for word in ("--set", override)]
    # Training takes minutes: what a killed comparison has finished is not done again.
    stages = build(recipe, "-t", "cpu-onnxruntime", *sets, fresh=False)["stages"]
    last = [stage for stage in stages if stage["stage"] == "prune"][-1]
    return stages[0]["metric"], last["metric"], last["cost"]["macs"]


def uniform_l1(loaded: LoadedRecipe, macs: int, work: Path) -> tuple[float, int]:
    """Metric and MACs of the network that lost the same share of every layer."""
    stage, shape = loaded.recipe.stages.prune, loaded.recipe.model.input.shape
    if stage is None or stage.finetune is None:
        raise SystemExit("the comparison wants stages.prune.finetune")
    whole = load_module(loaded)
    pruned, kept = _smallest_not_below(macs, whole, shape)
    samples, labels = load_split(loaded, "train", work)
    options = stage.finetune.model_dump()
    hints, options["augment"] = options.pop("hints"), tuple(options["augment"])
    training = Training(
        stage="prune",
        **options,
        samples=torch.from_numpy(samples),
        classes=classes_of(labels, len(samples), "train"),
    )
    with fixed_threads():
        fine_tune(pruned, whole, training, stage.seed + 1, kept, hints=hints)
    samples, labels = load_split(loaded, "evaluation", work)
    with torch.inference_mode():
        outputs = torch.cat([pruned(part) for part in torch.split(torch.from_numpy(samples), 64)])
    metric = score(loaded.recipe.metric, as_arrays(outputs), labels, samples, loaded.folder)
    return metric, count_macs(pruned, shape)


def _smallest_not_below(
    macs: int, whole: torch.nn.Module, shape: list[int]
) -> tuple[torch.nn.Module, Kept]:
    couplings = find_couplings(copy.deepcopy(whole), shape, Measure("macs"))
    orders = [sizes.argsort().tolist() for sizes in magnitudes(whole, couplings, 1)]
    best, kept_of_best = whole, Kept()
    for percent in range(1, 100):
        pruned, kept = copy.deepcopy(whole), Kept()
        chosen = {
            coupling.root: sorted(
                channel
                for unit in order[: len(order) * percent // 100]
                for channel in coupling.units[unit]
            )
            for coupling, order in zip(couplings, orders, strict=True)
        }
        remove_channels(pruned, shape, chosen, kept)
        if count_macs(pruned, shape) < macs:
            break
        best, kept_of_best = pruned, kept
    return best, kept_of_best


def compare(recipe: str, stage: str, seeds: int) -> None:
    """Print the points that both lose, for each seed and on average."""
    lost = []
    for seed in range(seeds):
        overrides = [f"stages.prune={{{stage}, seed: {seed}}}"]
        overrides += ["budgets={}"]
        before, metric, macs = ours(recipe, overrides)
        with tempfile.TemporaryDirectory() as work:
            peer, peer_macs = uniform_l1(load_recipe(recipe, overrides), macs, Path(work))
        lost.append((100 * (metric - before), 100 * (peer - before)))
        print(
            f"{recipe} seed {seed}: PyTorch {before:.4f}   ours {metric:.4f} ({lost[-1][0]:+.2f}), "
            f"{macs:,} MACs   uniform L1 {peer:.4f} ({lost[-1][1]:+.2f}), {peer_macs:,} MACs",
            flush=True,
        )
    mine, theirs = (sum(points) / seeds for points in zip(*lost, strict=True))
    print(f"{recipe}: on average ours {mine:+.2f} points, uniform L1 {theirs:+.2f} points")


def main() -> None:
    """Compare on the recipes that are named, or on one that is at hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--stage", default=_STAGE, help="what stands in stages.prune: {...}")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for recipe in options.recipes or ["fmnist_cnn" if data_folder() else "digits_cnn"]:
        compare(recipe, options.stage, options.seeds)


if __name__ == "__main__":
    main()
