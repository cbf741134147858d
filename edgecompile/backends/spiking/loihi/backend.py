"""The Loihi 2 backend: NIR and netx files in the chip's fixed point, executed by our simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Probe
from edgecompile.backends.spiking.loihi.options import LoihiOptions
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

_SECONDS = 1e-3
_SECONDS_PER_MAC = 32 * 0.15e-9
"""32 steps, each of which takes the ANN's multiply-accumulates in float32: measured on mnist_cnn
and ic_resnet8, one core of a Xeon with AVX-512."""


class LoihiBackend:
    """Our converter, the packages nir and h5py to write, our simulator to execute."""

    name = "loihi"
    evidence = Evidence.REFERENCE
    main_file = "model.nir"
    options_schema = LoihiOptions

    def probe(self) -> Probe:
        """Python packages that write the files; Intel's toolchain is not needed, nor called."""
        versions: dict[str, str] = {}
        for package in ("nir", "h5py"):
            found = Probe.of_package(package)
            if not found.available:
                return Probe(
                    False, remedy="pip install 'edgecompile[spiking]'", reason=found.reason
                )
            versions |= found.versions
        return Probe(True, versions)

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators without a form in spiking neurons, and the budget of cores."""
        from edgecompile.backends.spiking.loihi.check import check_hub

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
        from edgecompile.backends.spiking.loihi.lower import lower_hub

        return lower_hub(hub, target, folder, tuning)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """Execute the saved file with the fixed-point simulator, which counts spikes."""
        from edgecompile.backends.spiking.loihi.run import run_file

        return run_file(artifact, inputs)

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """What the simulator takes for 32 steps."""
        from edgecompile.graph.macs import count_macs

        return _SECONDS + _SECONDS_PER_MAC * count_macs(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """Energy of the synaptic operations that were counted."""
        from edgecompile.backends.spiking.cost import energy_estimates
        from edgecompile.backends.spiking.nir_file import read_nir

        return energy_estimates(read_nir(artifact).facts["cost"], target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Populations, borders and weights of a file."""
        from edgecompile.backends.spiking.loihi.run import inspect_file

        return inspect_file(artifact)
