"""`python -m benchmarks.table`: every recipe on its targets, as the table of the README."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.builds import build
from edgecompile.recipe.paths import data_folder
from edgecompile.recipe.search import find_all


def row(body: dict[str, Any]) -> str:
    """One recipe: the metric of PyTorch and of each target, agreement, sizes, cost."""
    stages = body["stages"]
    lowered = {s["target"]: s for s in stages if s["target"]}
    cells = [body["model"], f"{stages[0]['metric']:.4f}"]
    for target in ("cpu-onnxruntime", "android-tflite", "mcu-tflite"):
        stage = lowered.get(target)
        cells.append("cannot run it" if stage is None else _metric(stage))
    tflite = lowered["android-tflite"]
    twin = tflite["agreement"]["twin"]
    cells.append(f"{twin['equal']:.3%} of {sum(twin['lsb'].values()):,}")
    cells.append(f"{tflite['size_bytes'] / 1000:,.1f} kB")
    cells.append(f"{sum(step['cpu_seconds'] or 0 for step in body['steps']):.1f}")
    cells.append(f"{body['peak_bytes'] / 1e6:,.0f} MB")
    return "| " + " | ".join(cells) + " |"


def _metric(stage: dict[str, Any]) -> str:
    if stage["metric"] is None:
        return "not measured"
    return f"{stage['metric']:.4f} ({stage['delta_baseline']:+.2f})"


def main() -> None:
    """Print the table of the recipes that are named, or of all whose data are at hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    recipes = parser.parse_args().recipes
    recipes = recipes or (list(find_all("recipes")) if data_folder() else ["digits_cnn"])
    heads = ["recipe", "PyTorch", "ONNX Runtime", "TFLite, XNNPACK", "TFLite, reference kernels"]
    heads += ["equal outputs", "model.tflite", "CPU s, all targets", "peak memory"]
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for recipe in recipes:
        print(row(build(recipe)), flush=True)


if __name__ == "__main__":
    main()
