"""The evaluation steps of a build: score saved outputs, and compare them with those before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.outputs import load_outputs, not_finite
from edgecompile.evaluate.scoring import score


def measure(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The task metric of `outputs`, and their agreement with `baseline`, `previous` and `twin`.

    `twin` are outputs of other kernels on the same numbers (ONNX Runtime's integer kernels for an
    int8 artifact), against which LSB differences are counted on the `grid` of the hub's outputs.
    """
    outputs = load_outputs(inputs["outputs"])
    sample = not_finite(outputs)
    if sample is not None:
        raise ToolchainFailed(
            f"the outputs hold NaN or infinity, first for evaluation sample {sample}, "
            "where PyTorch's are finite",
            remedy="with fp16, an activation may be larger than 65504, which it cannot hold",
        )
    labels = np.load(inputs["labels"], allow_pickle=False)
    samples = np.load(inputs["samples"], mmap_mode="r")
    value = score(parameters["metric"], outputs, labels, samples, Path(parameters["recipe_folder"]))
    agreement = {}
    for name in ("baseline", "previous", "twin"):
        if name in inputs:
            # Only a twin has the same grid of values: there a difference is a number of steps.
            scales = _output_scales(inputs["grid"]) if name == "twin" else ()
            agreement[name] = asdict(compare(load_outputs(inputs[name]), outputs, scales))
    return {"metric": round(value, 6), "samples": len(samples), "agreement": agreement}


def _output_scales(grid: Path) -> list[float | None]:
    """The scale of each quantized model output, as the quantize step wrote it to grid.json."""
    scales: list[float | None] = json.loads(grid.read_bytes())["output_scales"]
    return scales
