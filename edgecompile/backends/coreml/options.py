"""What a Core ML target may choose."""

from __future__ import annotations

from typing import Literal

from edgecompile.recipe.validation import Strict

Deployment = Literal["iOS16", "iOS17", "iOS18"]
"""The oldest system that loads the package; of equal age are macOS 13, 14 and 15. Source:
coremltools.target."""

Arithmetic = Literal["float16", "float32"]
ComputeUnits = Literal["all", "cpuAndNeuralEngine", "cpuAndGPU", "cpuOnly"]


class CoreMLOptions(Strict):
    """Options of the backend `coreml`."""

    deployment: Deployment = "iOS17"
    """The oldest system that the package is for. iOS17 has int8 activations, iOS18 weights of
    4 bits and sparse int8 weights."""
    arithmetic: Arithmetic = "float16"
    """Type of the activations, input and output, in every precision but fp32. The Neural Engine
    computes in float16 only."""
    compute_units: ComputeUnits = "cpuAndNeuralEngine"
    """What the app asks for when it loads the model: the package itself cannot say it."""

    @property
    def opset(self) -> int:
        """The number of the deployment, to compare."""
        return int(self.deployment.removeprefix("iOS"))
