"""`python -m benchmarks.bias_correction RECIPE...`: why NNCF's bias correction is off.

A first trial with NNCF's min-max ranges lost 0.8 points on ic_resnet8. This runs NNCF on the float
hub with and without its fast bias correction, everything else equal, and measures its own result.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import nncf
import numpy as np
import onnx_ir as ir
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    OverflowFix,
    QuantizationParameters,
)
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from benchmarks.inputs import load_module, load_split
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.dataset import spread
from edgecompile.evaluate.scoring import score
from edgecompile.evaluate.session import run_onnx
from edgecompile.frontend.export import export_onnx
from edgecompile.graph.hub import serialize
from edgecompile.graph.simplify import simplify
from edgecompile.recipe.load import load_recipe


def measure(recipe: str) -> None:
    """Print metric and centred SQNR of both."""
    loaded = load_recipe(recipe)
    hub = simplify(export_onnx(load_module(loaded), loaded.recipe.model.input.shape, loaded.folder))
    with tempfile.TemporaryDirectory() as name:
        calibration, _ = load_split(loaded, "calibration", Path(name))
        samples, labels = load_split(loaded, "evaluation", Path(name))
    chosen = calibration[spread(len(calibration), 256)]
    reference = run_onnx(serialize(hub), samples)
    for corrected in (False, True):
        outputs = run_onnx(_quantized(hub, chosen, corrected), samples)
        value = score(loaded.recipe.metric, outputs, labels, samples, loaded.folder)
        decibel = compare(reference, outputs).sqnr_db
        with_it = "with   " if corrected else "without"
        print(f"{recipe:16} {with_it} bias correction: {value:.4f}, {decibel} dB", flush=True)


def _quantized(hub: ir.Model, chosen: np.ndarray, corrected: bool) -> bytes:
    proto = ir.to_proto(hub)
    name = proto.graph.input[0].name
    quantized = nncf.quantize(
        proto,
        nncf.Dataset(list(chosen), lambda sample: {name: sample[None]}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(chosen),
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE,
            disable_bias_correction=not corrected,
            activations_quantization_params=QuantizationParameters(per_channel=False),
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        ),
    )
    content: bytes = quantized.SerializeToString()
    return content


if __name__ == "__main__":
    logging.getLogger("nncf").setLevel(logging.ERROR)
    for argument in sys.argv[1:]:
        measure(argument)
