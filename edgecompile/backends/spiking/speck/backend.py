"""The Speck backend: NIR and a configuration for samna, executed by our event-driven simulator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.spiking.chip import SpikingChip
from edgecompile.backends.spiking.speck.options import SpeckOptions

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.backends.protocol import Lowered, Run, Tuning
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class SpeckBackend(SpikingChip):
    """Our converter and simulators; the package nir to write. Nothing of the vendor's is called:
    what PyPI has as samna installs another package when it is imported."""

    name = "speck"
    options_schema = SpeckOptions
    seconds = 4e-3
    seconds_per_mac = 100e-9
    """32 steps, event by event: measured on digits_cnn (15 ms) and mnist_cnn (150 ms), one core of
    a Xeon with AVX-512."""

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators without a form in spiking neurons, and every limit that is exceeded."""
        from edgecompile.backends.spiking.speck.check import check_hub

        return check_hub(hub, target)

    def lower_by_data(self, hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
        """Write `model.nir` and what goes with it."""
        from edgecompile.backends.spiking.speck.lower import lower_hub

        return lower_hub(hub, target, folder, tuning)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """Execute the saved file event by event."""
        from edgecompile.backends.spiking.speck.run import run_file

        return run_file(artifact, inputs)

    def inspect(self, artifact: Path) -> Inspection:
        """Layers, borders and weights of a file."""
        from edgecompile.backends.spiking.speck.run import inspect_file

        return inspect_file(artifact)
