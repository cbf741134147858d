"""What a target of NVIDIA's may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgecompile.recipe.validation import Strict

ComputeCapability = Literal["8.0", "8.6", "8.9", "12.0", "12.1"]
"""Those that TensorRT for RTX compiles int8 for. 7.5 (Turing) it compiles without int8 kernels."""


class LoweringOptions(Strict):
    """How the hub is written as the ONNX file that TensorRT reads."""

    float_type: Literal["float16", "float32"] = "float16"
    """What an int8 or fp16 model computes in where it does not compute in int8. A hub in fp32 stays
    in float32."""
    pairs: Literal["needed", "all"] = "needed"
    """Which QuantizeLinear/DequantizeLinear pairs of the hub are written: those that an int8 kernel
    reads, or all of them."""
    sparsity: Literal["auto", "off"] = "auto"
    """`auto`: allow sparse kernels where weights are pruned 2:4."""


class EngineOptions(LoweringOptions):
    """Options of the backend `tensorrt-rtx`."""

    compute_capability: ComputeCapability
    """Of the GPU: CUDA's number of its generation, https://developer.nvidia.com/cuda-gpus."""


class BundleOptions(LoweringOptions):
    """Options of the backend `tensorrt`."""

    workspace_mb: Annotated[int, Field(ge=64)] = 1024
    """Memory that the builder on the device may use for a kernel's scratch, in MiB."""
