"""The backend `tensorrt-rtx`: `model.engine`, compiled here for one generation of desktop GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Probe, Run
from edgecompile.backends.tensorrt.options import EngineOptions
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.inspection import Inspection
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class TensorRTEngineBackend:
    """TensorRT for RTX, whose compiler needs no GPU."""

    name = "tensorrt-rtx"
    main_file = "model.engine"
    options_schema = EngineOptions

    @property
    def evidence(self) -> Evidence:
        """With a GPU of NVIDIA's an engine may run; `run` says whether it did."""
        from edgecompile.backends.tensorrt.gpu import compute_capabilities

        return Evidence.DEVICE if compute_capabilities() else Evidence.GRAPH

    def probe(self) -> Probe:
        """NVIDIA's package from PyPI."""
        found = Probe.of_package("tensorrt-rtx")
        return (
            found
            if found.available
            else replace(found, remedy="pip install 'edgecompile[tensorrt]'")
        )

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Our rules, and the verdict of NVIDIA's own parser."""
        from edgecompile.backends.tensorrt.check import check_for_engine

        return check_for_engine(hub, EngineOptions.model_validate(target.options))

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> list[Finding]:
        """Write `model.engine`, the `model.onnx` that it is of, and `layers.json`: its layers."""
        from edgecompile.backends.tensorrt.engine import Refusal, compile_lowered
        from edgecompile.backends.tensorrt.lowering import lower_to_onnx
        from edgecompile.backends.tensorrt.remarks import engine_remarks, lowering_remarks

        options = EngineOptions.model_validate(target.options)
        lowered = lower_to_onnx(hub, options)
        engine = compile_lowered(lowered, options.compute_capability, folder)
        if isinstance(engine, Refusal):
            place = f" at {engine.node}" if engine.node else ""
            raise TargetCannotRun(
                f"TensorRT for RTX refuses the model{place}: {engine.message}",
                remedy="`edgecompile check` names the operators that it does not take",
            )
        return [*engine_remarks(hub, engine), *lowering_remarks(lowered)]

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """The engine where its GPU is here, else the ONNX file that it was compiled from."""
        from edgecompile.backends.tensorrt.engine import read_engine
        from edgecompile.backends.tensorrt.gpu import compute_capabilities, run_on_gpu
        from edgecompile.backends.tensorrt.run import run_graph_of_engine

        # The first GPU is the one that runs.
        if read_engine(artifact).compute_capability in compute_capabilities()[:1]:
            return Run(run_on_gpu(artifact, inputs), Evidence.DEVICE)
        return Run(run_graph_of_engine(artifact, inputs), Evidence.GRAPH)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the card's published figures: no engine ran."""
        from edgecompile.backends.tensorrt.estimate import estimate

        return estimate(hub, artifact.with_name("model.onnx"), target)

    def inspect(self, artifact: Path) -> Inspection:
        """The fused layers, by the compiler's own list beside the engine."""
        from edgecompile.backends.tensorrt.inspect_engine import inspect_engine

        return inspect_engine(artifact)

    def rounds_less(self, target: Target) -> bool:
        """By default only the pairs are written that int8 kernels read."""
        return EngineOptions.model_validate(target.options).pairs == "needed"
