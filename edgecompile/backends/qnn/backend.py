"""The QNN backend: `model.bin`, a context binary for the tensor processor of one Snapdragon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Inspection, Probe
from edgecompile.backends.qnn.options import QnnOptions
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class QnnBackend:
    """Qualcomm's execution provider for ONNX Runtime: its HTP compiler and its HTP emulator."""

    name = "qnn"
    evidence = Evidence.VENDOR_EMULATOR
    main_file = "model.bin"
    options_schema = QnnOptions

    def probe(self) -> Probe:
        """onnxruntime-qnn, whose compiler and emulator exist for x86-64 Linux."""
        from edgecompile.backends.qnn.probe import probe

        return probe()

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """The compiler's own verdict on the graph."""
        from edgecompile.backends.qnn.check import check_hub

        return check_hub(hub, target, precision)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write `model.bin`, its wrapper `model.onnx` and the trace of the compilation."""
        from edgecompile.backends.qnn.artifact import write_artifact

        write_artifact(hub, QnnOptions.model_validate(target.options), folder)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute that very binary on the emulator of its chip."""
        from edgecompile.backends.qnn.run import run_context
        from edgecompile.backends.qnn.wrapper import read_wrapper

        return run_context(read_wrapper(artifact), inputs)

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """One pass, on one core."""
        from edgecompile.backends.qnn.run import seconds_per_sample

        return seconds_per_sample(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the chip's published figures: the emulator measures no time.

        TOPS are published for integers; in half precision the bound is the memory's alone.
        """
        from edgecompile.backends.roofline import COMPUTE, roofline
        from edgecompile.graph.macs import count_macs
        from edgecompile.graph.qdq import has_pairs

        facts = dict(target.facts)
        if not has_pairs(hub):
            facts.pop(COMPUTE, None)
        return roofline(count_macs(hub), self.inspect(artifact).weight_bytes, facts)

    def inspect(self, artifact: Path) -> Inspection:
        """The chip, the borders and the operators of a context binary."""
        from edgecompile.backends.qnn.artifact import inspect_artifact

        return inspect_artifact(artifact)
