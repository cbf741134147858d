"""The Edge TPU backend: a file for `edgetpu_compiler`, measured before it is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.artifact_check import ArtifactCheck
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
    """Our emitter in the forms that the Edge TPU maps; LiteRT runs the uncompiled file."""

    name = "edgetpu"
    evidence = Evidence.VENDOR_RUNTIME
    main_file = "model.tflite"
    options_schema = EdgeTpuOptions

    def probe(self) -> Probe:
        """LiteRT is a core dependency; the vendor's compiler is used when it is there."""
        found = Probe.of_package("ai-edge-litert")
        return Probe(found.available, {**found.versions, **self.programs()}, found.remedy)

    def programs(self) -> Mapping[str, str]:
        """`edgetpu_compiler`, where it is on PATH."""
        from edgecompile.backends.edgetpu.compiler import programs

        return programs()

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators that have no form in TFLite, or that the Edge TPU leaves to the CPU."""
        from edgecompile.backends.edgetpu.check import check_hub

        return check_hub(hub, target.scheme, _options(target))

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> None:
        """Write `model.tflite` and `mapping.json`; with the compiler on PATH, the compiled file and
        its report too."""
        from edgecompile.backends.edgetpu.artifact import compile_if_possible, write_mapping
        from edgecompile.backends.edgetpu.lowering import lower_for_edgetpu
        from edgecompile.backends.edgetpu.mapping import predict_mapping
        from edgecompile.backends.edgetpu.rewrites import rewritten
        from edgecompile.formats.tflite.graph import parse_graph

        options, file = _options(target), folder / self.main_file
        content = lower_for_edgetpu(rewritten(hub), options.io).content
        file.write_bytes(content)
        write_mapping(folder, predict_mapping(parse_graph(content, file.name), options.runtime))
        compile_if_possible(folder, file, options.runtime)

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Sequence[Array]:
        """Execute the *uncompiled* file with LiteRT on this CPU."""
        from edgecompile.formats.tflite.run import run_tflite

        return run_tflite(artifact, inputs, EdgeTpuOptions.model_validate(options).kernels)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """Mapped operators, memory, latency and energy by the predicted mapping."""
        return self.check_artifact(artifact, target).estimates

    def check_artifact(self, artifact: Path, target: Target) -> ArtifactCheck:
        """What the compiler will make of a .tflite file, ours or a stranger's."""
        from edgecompile.backends.edgetpu.artifact import compilation_findings
        from edgecompile.backends.edgetpu.check import check_file, fates
        from edgecompile.backends.edgetpu.estimate import estimates_of

        options = _options(target)
        checked = check_file(artifact, options)
        if checked.graph is None:
            return ArtifactCheck(checked.findings, ())
        said = compilation_findings(artifact, checked.placements, options.runtime)
        return ArtifactCheck(
            (*checked.findings, *said),
            fates(checked.placements),
            tuple(estimates_of(checked.graph, checked.placements, target.facts)),
        )

    def inspect(self, artifact: Path) -> Inspection:
        """Operators, borders and weights of a .tflite file."""
        from edgecompile.formats.tflite.read import inspect_tflite

        return inspect_tflite(artifact)


def _options(target: Target) -> EdgeTpuOptions:
    return EdgeTpuOptions.model_validate(target.options)
