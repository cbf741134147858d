"""The Speck backend: NIR and a configuration for samna, executed by our event-driven simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Probe
from edgecompile.backends.spiking.speck.options import SpeckOptions
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.backends.protocol import Lowered, Run, Tuning
    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target

_SECONDS = 4e-3
_SECONDS_PER_MAC = 100e-9
"""32 steps, event by event: measured on digits_cnn (15 ms) and mnist_cnn (150 ms), one core of a
Xeon with AVX-512."""


class SpeckBackend:
    """Our converter and simulators; the package nir to write. Nothing of the vendor's is called:
    what PyPI has as samna installs another package when it is imported."""

    name = "speck"
    evidence = Evidence.REFERENCE
    main_file = "model.nir"
    options_schema = SpeckOptions

    def probe(self) -> Probe:
        """The Python package that writes NIR files."""
        found = Probe.of_package("nir")
        if found.available:
            return found
        return Probe(False, remedy="pip install 'edgecompile[spiking]'", reason=found.reason)

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators without a form in spiking neurons, and every limit that is exceeded."""
        from edgecompile.backends.spiking.speck.check import check_hub

        return check_hub(hub, target)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> Sequence[Finding] | None:
        """Not without data.

        Raises:
            TargetCannotRun: always: how many steps are enough is measured on samples.
        """
        from edgecompile.errors import TargetCannotRun

        raise TargetCannotRun(
            f"{target.name} is built from a recipe: a hub alone does not say how many steps a "
            "spiking network needs",
            remedy="edgecompile build RECIPE -t " + target.name,
        )

    def lower_by_data(self, hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
        """Write `model.nir` and what goes with it."""
        from edgecompile.backends.spiking.speck.lower import lower_hub

        return lower_hub(hub, target, folder, tuning)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """Execute the saved file event by event."""
        from edgecompile.backends.spiking.speck.run import run_file

        return run_file(artifact, inputs)

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """What the simulator takes for 32 steps."""
        from edgecompile.graph.macs import count_macs

        return _SECONDS + _SECONDS_PER_MAC * count_macs(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """Energy of the synaptic operations, if the target has a figure for one: no published
        figure was found."""
        from edgecompile.backends.spiking.cost import energy_estimates
        from edgecompile.backends.spiking.nir_file import read_nir

        return energy_estimates(read_nir(artifact).facts["cost"], target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Layers, borders and weights of a file."""
        from edgecompile.backends.spiking.speck.run import inspect_file

        return inspect_file(artifact)
