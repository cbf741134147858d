"""The ONNX Runtime backend: `model.onnx`, optimized once here, not at each start on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import (
    Inspection,
    Probe,
)
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.evidence import Evidence
from edgecompile.findings import Finding
from edgecompile.recipe.validation import Strict

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class OnnxRuntimeOptions(Strict):
    """The backend `onnxruntime` has no options."""


class OnnxRuntimeBackend:
    """ONNX Runtime's CPU execution provider."""

    name = "onnxruntime"
    evidence = Evidence.VENDOR_RUNTIME
    main_file = "model.onnx"
    options_schema = OnnxRuntimeOptions

    def probe(self) -> Probe:
        """ONNX Runtime is a core dependency: it is here unless the installation is broken."""
        return Probe.of_package("onnxruntime")

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """ONNX Runtime is the executor of the hub: a session on it is the check."""
        import onnx_ir as ir
        import onnxruntime as ort

        try:
            ort.InferenceSession(
                ir.to_proto(hub).SerializeToString(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base but Exception
            return [
                Finding(
                    "error",
                    "onnxruntime-refuses",
                    str(error).strip().splitlines()[0],
                    reference="onnxruntime.InferenceSession",
                )
            ]
        return []

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write the graph after ONNX Runtime's fusions that hold on every CPU.

        The extended level stops before layout changes that suit only the machine they are made on.
        Integers become unsigned, weights as well: signed activations have no fast kernel on x86,
        and unsigned ones with signed weights saturate on x86 without VNNI.
        """
        import onnxruntime as ort

        from edgecompile.graph.hub import load, save, serialize
        from edgecompile.graph.two_roundings import keep_two_roundings
        from edgecompile.graph.unsigned import to_unsigned

        hub = to_unsigned(hub)
        for node in hub.graph.all_nodes():
            node.metadata_props.clear()
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(folder / self.main_file)
        options.log_severity_level = 3
        # A product with integer weights becomes MatMulNBits, which by default rounds its float
        # activations to 8 bits: 1 is float32 (onnxruntime_session_options_config_keys.h).
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        try:
            ort.InferenceSession(
                serialize(hub),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_left_out(hub),
            )
        except Exception as error:
            raise ToolchainFailed(
                f"ONNX Runtime cannot optimize the model: {str(error).strip().splitlines()[0]}"
            ) from error
        model = load(folder / self.main_file)
        keep_two_roundings(model)
        save(model, folder / self.main_file)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute the saved file with ONNX Runtime's defaults."""
        from edgecompile.evaluate.session import run_onnx

        return run_onnx(artifact.read_bytes(), inputs, optimized=True)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the target's published figures."""
        from edgecompile.backends.roofline import roofline
        from edgecompile.graph.macs import count_macs

        return roofline(count_macs(hub), self.inspect(artifact).weight_bytes, target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of an ONNX file."""
        from edgecompile.formats.onnx_file import inspect_onnx

        return inspect_onnx(artifact)


def _left_out(hub: ir.Model) -> list[str]:
    """The optimizations that are not made.

    Folding would widen float16 constants again. Two pairs in a row stay two: the hub rounds twice.
    Integer biases are what kernels of 8 bits take; there are none for activations of 16 bits, and a
    product with such a bias stays as it is here, to become one that rounds its activations on the
    device.
    """
    from edgecompile.graph.qdq import tensor_params

    pairs = (node for node in hub.graph if node.op_type == "QuantizeLinear")
    wide = any(tensor_params(node).bits == 16 for node in pairs)
    return ["ConstantFolding", "DoubleQDQPairsRemover"] + ["WeightBiasQuantization"] * wide
