"""The TFLite backend: `model.tflite`, the hub's own numbers in a flatbuffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Inspection, Probe
from edgecompile.backends.tflite.options import TFLiteOptions
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class TFLiteBackend:
    """Our emitter, LiteRT as the runtime."""

    name = "tflite"
    evidence = Evidence.VENDOR_RUNTIME
    main_file = "model.tflite"
    options_schema = TFLiteOptions

    def probe(self) -> Probe:
        """LiteRT is a core dependency: it is here unless the installation is broken."""
        return Probe.of_package("ai-edge-litert")

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators that have no form in TFLite, or that the device's runtime lacks."""
        from edgecompile.backends.tflite.check import check_hub
        from edgecompile.formats.tflite.check import check_scheme

        operators = TFLiteOptions.model_validate(target.options).operators
        findings = check_hub(hub, operators, may_convert=precision != "int8")
        return findings + (check_scheme(hub, target.scheme) if precision == "int8" else [])

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write `model.tflite`: every scale, zero point and integer of the hub, unchanged.

        A float hub with operators that the emitter lacks goes through TensorFlow's converter.
        """
        from edgecompile.backends.tflite.converter import convert_hub
        from edgecompile.formats.tflite.check import refused_nodes
        from edgecompile.formats.tflite.lower import lower_hub

        options = TFLiteOptions.model_validate(target.options)
        content = convert_hub(hub) if refused_nodes(hub) else lower_hub(hub, options.io)
        (folder / self.main_file).write_bytes(content)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute the saved file with LiteRT and the target's kernels."""
        from edgecompile.formats.tflite.run import run_tflite

        return run_tflite(artifact, inputs, TFLiteOptions.model_validate(options).kernels)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the target's published figures."""
        from edgecompile.backends.roofline import roofline
        from edgecompile.graph.macs import count_macs

        return roofline(count_macs(hub), self.inspect(artifact).weight_bytes, target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of a .tflite file."""
        from edgecompile.formats.tflite.read import inspect_tflite

        return inspect_tflite(artifact)
