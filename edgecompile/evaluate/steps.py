"""The evaluation steps of a build: score saved outputs, and compare them with those before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.outputs import Array, load_outputs, load_samples, not_finite
from edgecompile.evaluate.scoring import score
from edgecompile.evaluate.subset import labels_of


def measure(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The task metric of `outputs`, and their agreement with `baseline`, `previous` and `twin`.

    `twin` are outputs of other kernels on the same numbers (ONNX Runtime's integer kernels for an
    int8 artifact), against which LSB differences are counted on the `grid` of the hub's outputs.
    Outputs of some samples only are compared with the others' outputs of the same samples, and
    `before` then holds the metric of `baseline` and `previous` on these; `labels` counts theirs.
    """
    outputs = load_outputs(inputs["outputs"])
    sample = not_finite(outputs)
    chosen = load_samples(inputs["outputs"])
    if sample is not None:
        sample = sample if chosen is None else int(chosen[sample])
        raise ToolchainFailed(
            f"the outputs hold NaN or infinity, first for evaluation sample {sample}, "
            "where PyTorch's are finite",
            remedy="with fp16, an activation may be larger than 65504, which it cannot hold",
        )
    labels = np.load(inputs["labels"], allow_pickle=False)
    samples = np.load(inputs["samples"], mmap_mode="r")
    all_samples = len(samples)
    if chosen is not None:
        labels, samples = labels_of(chosen, all_samples, labels), samples[chosen]

    def scored(these: Sequence[Array]) -> float:
        folder = Path(parameters["recipe_folder"])
        return round(score(parameters["metric"], these, labels, samples, folder), 6)

    agreement: dict[str, Any] = {}
    before: dict[str, float] = {}
    for name in ("baseline", "previous", "twin"):
        if name in inputs:
            # Only a twin has the same grid of values: there a difference is a number of steps.
            scales = _output_scales(inputs["grid"]) if name == "twin" else ()
            others = load_outputs(inputs[name])
            if chosen is not None:
                others = [output[chosen] for output in others]
                before |= {name: scored(others)} if name != "twin" else {}
            agreement[name] = asdict(compare(others, outputs, scales))
    return {
        "metric": scored(outputs),
        "samples": len(samples),
        "all_samples": all_samples,
        "labels": len(labels),
        "agreement": agreement,
        "before": before,
    }


def _output_scales(grid: Path) -> list[float | None]:
    """The scale of each quantized model output, as the quantize step wrote it to grid.json."""
    scales: list[float | None] = json.loads(grid.read_bytes())["output_scales"]
    return scales
