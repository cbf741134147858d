"""The Core ML backend: `model.mlpackage`, an ML Program that holds the hub's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.backends.protocol import Probe
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class CoreMLBackend:
    """Our builder and coremltools to write, our interpreter of MIL to execute."""

    name = "coreml"
    evidence = Evidence.REFERENCE
    main_file = "model.mlpackage"
    options_schema = CoreMLOptions

    def probe(self) -> Probe:
        """coremltools writes packages on Linux too; Core ML itself is only on Apple's systems."""
        return Probe.of_package("coremltools")

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators without a form in MIL, and what the Neural Engine is said not to run."""
        from edgecompile.backends.coreml.check import check_hub

        return check_hub(hub, CoreMLOptions.model_validate(target.options), target, precision)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write `model.mlpackage` with every scale and integer of the hub, and its bundle."""
        from edgecompile.backends.coreml.bundle import write_bundle
        from edgecompile.backends.coreml.lower import lower_hub

        options = CoreMLOptions.model_validate(target.options)
        package = folder / self.main_file
        lower_hub(hub, options, package)
        write_bundle(package, options, folder)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute the saved package with the interpreter of MIL."""
        from edgecompile.backends.coreml.interpreter.run import run_program
        from edgecompile.backends.coreml.program import read_program

        return run_program(read_program(artifact), inputs)

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """0.4 ms, and 0.4 ns for each multiply-accumulate: what ad_autoencoder, ic_resnet8 and
        fmnist_vit took on one core of a Xeon with AVX-512."""
        from edgecompile.graph.macs import count_macs

        return 4e-4 + 0.4e-9 * count_macs(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the target's published figures."""
        from edgecompile.backends.roofline import roofline
        from edgecompile.graph.macs import count_macs

        return roofline(count_macs(hub), self.inspect(artifact).weight_bytes, target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of a package."""
        from edgecompile.backends.coreml.read import inspect_package

        return inspect_package(artifact)
