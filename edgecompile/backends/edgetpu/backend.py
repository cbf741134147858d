"""The Edge TPU backend: a file for `edgetpu_compiler`, measured before it is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.edgetpu.options import EdgeTpuOptions
from edgecompile.backends.protocol import Inspection, Probe
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class EdgeTpuBackend:
    """Our emitter in the forms that the Edge TPU maps, LiteRT as the runtime of the uncompiled
    file."""

    name = "edgetpu"
    evidence = Evidence.VENDOR_RUNTIME
    main_file = "model.tflite"
    options_schema = EdgeTpuOptions

    def probe(self) -> Probe:
        """LiteRT is a core dependency; the vendor's compiler is used when it is there."""
        return Probe.of_package("ai-edge-litert")

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators that have no form in TFLite, or that the Edge TPU leaves to the CPU."""
        from edgecompile.formats.tflite.check import check_operators

        return check_operators(hub)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write `model.tflite`: every scale, zero point and integer of the hub, unchanged."""
        from edgecompile.backends.edgetpu.forms import FORMS
        from edgecompile.formats.tflite.lower import lower_hub

        options = EdgeTpuOptions.model_validate(target.options)
        content = lower_hub(hub, options.io, FORMS)
        (folder / self.main_file).write_bytes(content)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute the uncompiled file with LiteRT on this CPU."""
        from edgecompile.formats.tflite.run import run_tflite

        return run_tflite(artifact, inputs, EdgeTpuOptions.model_validate(options).kernels)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """Nothing yet."""
        return []

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of a .tflite file."""
        from edgecompile.formats.tflite.read import inspect_tflite

        return inspect_tflite(artifact)
