"""The backend `tensorrt`: a bundle from which a Jetson makes its own engine and tests it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Probe
from edgecompile.backends.tensorrt.options import BundleOptions
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class TensorRTBundleBackend:
    """TensorRT on the device: no engine of it can be made anywhere else."""

    name = "tensorrt"
    evidence = Evidence.GRAPH
    main_file = "model.onnx"
    options_schema = BundleOptions

    def probe(self) -> Probe:
        """Nothing is needed here: the toolchain is on the device."""
        return Probe.of_package("onnxruntime")

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Our rules; and the verdict of NVIDIA's own parser where it is installed."""
        from edgecompile.backends.tensorrt.check import check_for_bundle

        return check_for_bundle(hub, Probe.of_package("tensorrt-rtx").available)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> list[Finding]:
        """Write `model.onnx`, scripts that build and test the engine, and reference samples."""
        from edgecompile.backends.tensorrt.bundle import write_bundle
        from edgecompile.backends.tensorrt.check import check_lowered
        from edgecompile.backends.tensorrt.lowering import lower_to_onnx
        from edgecompile.backends.tensorrt.remarks import lowering_remarks

        options = BundleOptions.model_validate(target.options)
        lowered = lower_to_onnx(hub, options)
        remarks = [*check_lowered(hub, lowered.model), *lowering_remarks(lowered)]
        write_bundle(lowered, options, folder)
        return remarks

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """The bundle's ONNX file, as its graph says."""
        from edgecompile.backends.tensorrt.run import run_graph

        return run_graph(artifact, inputs)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the module's published figures."""
        from edgecompile.backends.tensorrt.estimate import estimate

        return estimate(hub, artifact, target)

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of the ONNX file."""
        from edgecompile.formats.onnx_file import inspect_onnx

        return inspect_onnx(artifact)

    def rounds_less(self, target: Target) -> bool:
        """By default only the pairs are written that int8 kernels read."""
        return BundleOptions.model_validate(target.options).pairs == "needed"
