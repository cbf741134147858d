"""What the backends of all spiking chips have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.backends.protocol import Probe
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.findings import Finding
    from edgecompile.recipe.target import Target


class SpikingChip:
    """A NIR file that our simulator executes; it is lowered by data (`LowersByData`)."""

    evidence = Evidence.REFERENCE
    main_file = "model.nir"
    packages: tuple[str, ...] = ("nir",)
    """What writes the files; no vendor's toolchain is needed, nor called."""
    seconds: float
    seconds_per_mac: float
    """What the simulator takes for a sample in 32 steps, by the ANN's multiply-accumulates."""

    def probe(self) -> Probe:
        """The Python packages that write the files."""
        versions: dict[str, str] = {}
        for package in self.packages:
            found = Probe.of_package(package)
            if not found.available:
                return Probe(
                    False, remedy="pip install 'edgecompile[spiking]'", reason=found.reason
                )
            versions |= found.versions
        return Probe(True, versions)

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

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """What the simulator takes for 32 steps."""
        from edgecompile.graph.macs import count_macs

        return self.seconds + self.seconds_per_mac * count_macs(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """Energy of the synaptic operations that were counted, if the target has a figure for
        one."""
        from edgecompile.backends.spiking.cost import energy_estimates
        from edgecompile.backends.spiking.nir_file import read_nir

        return energy_estimates(read_nir(artifact).facts["cost"], target.facts)
