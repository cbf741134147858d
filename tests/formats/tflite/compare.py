"""Execute a hub's .tflite file and ONNX Runtime on the same samples, and compare."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgecompile.backends.protocol import Inspection
from edgecompile.evaluate.session import run_onnx
from edgecompile.formats.tflite.choices import Border, Kernels
from edgecompile.formats.tflite.lower import lower_hub
from edgecompile.formats.tflite.read import inspect_tflite
from edgecompile.formats.tflite.run import run_tflite
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.qdq import output_scales


def by_litert(
    hub: ir.Model, samples: Array, kernels: Kernels = "xnnpack", border: Border = "int8"
) -> list[Array]:
    """Outputs of the hub's file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        file.write_bytes(lower_hub(hub, border))
        return run_tflite(file, samples, kernels)


def by_onnx_runtime(hub: ir.Model, samples: Array) -> list[Array]:
    """Outputs of the hub as its graph says."""
    return run_onnx(serialize(hub), samples)


def inspection(hub: ir.Model, border: Border = "int8") -> Inspection:
    """What the hub's file holds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        file.write_bytes(lower_hub(hub, border))
        return inspect_tflite(file)


def relative_error(expected: Sequence[Array], actual: Sequence[Array]) -> float:
    """The largest error in units of the largest output."""
    for one, other in zip(expected, actual, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(one).all()
        assert np.isfinite(other).all()
    pairs = zip(expected, actual, strict=True)
    return max(float(np.abs(a - e).max() / max(np.abs(e).max(), 1e-6)) for e, a in pairs)


def lsb_differences(hub: ir.Model, expected: Sequence[Array], actual: Sequence[Array]) -> Array:
    """All differences in steps of the outputs' scales; of float outputs, in 1/255 of the range."""
    found = []
    for scale, one, other in zip(output_scales(hub), expected, actual, strict=True):
        assert one.shape == other.shape
        step = scale if scale is not None else max(float(np.ptp(one)), 1e-6) / 255
        found.append(np.abs(np.rint((other - one).astype(np.float64) / step)).ravel())
    return np.concatenate(found).astype(int)
