"""NNCF's post-training quantization: integer weights and the ranges of activations."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from edgecompile.compress.ranges import Range
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.weights import QuantizedWeight
from edgecompile.errors import ToolchainFailed
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED


@dataclass(frozen=True)
class PtqResult:
    """What NNCF decided, by the names of the float hub's nodes and tensors."""

    weights: dict[str, QuantizedWeight]
    """By the name of the node that uses the weight."""
    ranges: dict[str, Range]
    """The real range that NNCF chose for the activations that it quantizes."""


def post_training_quantize(hub: ir.Model, samples: Array, scheme: QuantScheme) -> PtqResult:
    """Run NNCF on the float `hub` with calibration `samples` (samples, *shape without batch).

    Raises:
        ToolchainFailed: NNCF fails.
    """
    proto = ir.to_proto(hub)
    try:
        quantized = _run_nncf(proto, samples, scheme)
    except Exception as error:  # NNCF raises its own errors, ONNX Runtime's and plain ones
        raise ToolchainFailed(f"NNCF failed: {type(error).__name__}: {error}") from error
    return _read(quantized)


def _run_nncf(proto: onnx.ModelProto, samples: Array, scheme: QuantScheme) -> onnx.ModelProto:
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        OverflowFix,
        QuantizationParameters,
    )
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    logging.getLogger("nncf").setLevel(logging.ERROR)
    name = proto.graph.input[0].name

    def to_feed(sample: Array) -> dict[str, Array]:
        return {name: sample[None]}

    presets = {
        "affine": nncf.QuantizationPreset.MIXED,
        "symmetric": nncf.QuantizationPreset.PERFORMANCE,
    }
    model: onnx.ModelProto = nncf.quantize(
        proto,
        nncf.Dataset(list(samples), to_feed),
        preset=presets[scheme.name],
        subset_size=len(samples),
        advanced_parameters=AdvancedQuantizationParameters(
            # Half the weight range would be left unused to spare the saturating instructions of
            # old x86 processors; the devices have none of them, and our hub is int8 by int8.
            overflow_fix=OverflowFix.DISABLE,
            # Measured (python -m benchmarks.bias_correction): it lowers the outputs' SQNR from 27.7
            # to 17.4 dB on ic_resnet8 and from 30.7 to 23.8 on cifar_resnet20, and helps none.
            disable_bias_correction=True,
            activations_quantization_params=QuantizationParameters(per_channel=False),
            weights_quantization_params=QuantizationParameters(
                per_channel=scheme.per_channel_weights
            ),
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        ),
    )
    return model


def _read(model: onnx.ModelProto) -> PtqResult:
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    ranges = {
        node.input[0]: _range(arrays[node.input[1]], arrays[node.input[2]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in arrays
    }
    weights = {}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        pair = producers.get(node.input[WEIGHT_INPUT])
        if pair is not None and pair.op_type == "DequantizeLinear" and pair.input[0] in arrays:
            weights[node.name] = QuantizedWeight(
                arrays[pair.input[0]], arrays[pair.input[1]].astype(np.float32)
            )
    return PtqResult(weights, ranges)


def _range(scale: Array, zero: Array) -> Range:
    limits = np.iinfo(zero.dtype)
    low, high = ((limit - int(zero)) * float(scale) for limit in (limits.min, limits.max))
    return low, high
