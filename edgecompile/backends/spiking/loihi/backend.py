"""The Loihi 2 backend: NIR and netx files in the chip's fixed point, executed by our simulator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.spiking.chip import SpikingChip
from edgecompile.backends.spiking.loihi.options import LoihiOptions

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.backends.protocol import Lowered, Run, Tuning
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class LoihiBackend(SpikingChip):
    """Our converter, the packages nir and h5py to write, our simulator to execute."""

    name = "loihi"
    packages = ("nir", "h5py")
    options_schema = LoihiOptions
    seconds = 1e-3
    seconds_per_mac = 32 * 0.15e-9
    """32 steps, each of which takes the ANN's multiply-accumulates in float32: measured on
    mnist_cnn and ic_resnet8, one core of a Xeon with AVX-512."""

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators without a form in spiking neurons, and the budget of cores."""
        from edgecompile.backends.spiking.loihi.check import check_hub

        return check_hub(hub, target)

    def lower_by_data(self, hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
        """Write `model.nir` and what goes with it."""
        from edgecompile.backends.spiking.loihi.lower import lower_hub

        return lower_hub(hub, target, folder, tuning)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """Execute the saved file with the fixed-point simulator, which counts spikes."""
        from edgecompile.backends.spiking.loihi.run import run_file

        return run_file(artifact, inputs)

    def inspect(self, artifact: Path) -> Inspection:
        """Populations, borders and weights of a file."""
        from edgecompile.backends.spiking.loihi.run import inspect_file

        return inspect_file(artifact)
