"""The steps of a build that a backend carries out, the same for every backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import ChecksArtifacts, Emulates, LowersByData, Run
from edgecompile.backends.registry import get_backend
from edgecompile.errors import TargetCannotRun
from edgecompile.findings import Finding
from edgecompile.recipe.target import Target

if TYPE_CHECKING:
    from edgecompile.artifact_check import OperatorFate
    from edgecompile.backends.protocol import Backend
    from edgecompile.evaluate.outputs import Array


def check(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """What the target cannot do with this hub, before anything slow."""
    from edgecompile.graph.hub import load

    target = Target.model_validate(parameters["target"])
    findings = get_backend(target.backend).check(
        load(inputs["hub"]), target, parameters["precision"]
    )
    return {"findings": [asdict(finding) for finding in findings]}


def lower(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The hub in the target's own format -> the artifact's files.

    The backend's word about the finished file, where it gives one, is part of the result:
    `placement` says where it expects each operator to run.
    """
    from edgecompile.graph.hub import load

    target = Target.model_validate(parameters["target"])
    backend = get_backend(target.backend)
    hub = load(inputs["hub"])
    account: Mapping[str, Any] = {}
    if "split" in inputs and isinstance(backend, LowersByData):
        from edgecompile.backends.tuning import read_tuning

        lowered = backend.lower_by_data(hub, target, folder, read_tuning(inputs, parameters))
        findings, account = [*lowered.findings], lowered.account
    else:
        findings = [*(backend.lower(hub, target, folder) or ())]
    artifact = folder / backend.main_file
    facts = backend.inspect(artifact)
    _require_room(target, facts.size_bytes)
    fates: Sequence[OperatorFate] = ()
    if isinstance(backend, ChecksArtifacts):
        checked = backend.check_artifact(artifact, target)
        findings += checked.findings
        fates = checked.operators
    _require_no_error(target, findings)
    return {
        "format": facts.format,
        "size_bytes": facts.size_bytes,
        "weight_bytes": facts.weight_bytes,
        "operators": dict(Counter(operator.name for operator in facts.operators)),
        "placement": [asdict(fate) for fate in fates],
        "estimates": [asdict(found) for found in backend.estimate(hub, artifact, target)],
        "findings": [asdict(finding) for finding in findings],
        **account,
    }


def _require_no_error(target: Target, findings: Sequence[Finding]) -> None:
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        raise TargetCannotRun(
            f"{target.name} cannot run the artifact: {errors[0].message}", remedy=errors[0].remedy
        )


def _require_room(target: Target, size_bytes: int) -> None:
    flash = target.limits.get("flash")
    if flash is not None and size_bytes > float(flash.value):
        raise TargetCannotRun(
            f"the artifact takes {size_bytes:,} bytes, and {target.name} has "
            f"{int(flash.value):,} bytes of flash",
            remedy="make the model smaller, or its numbers: stages.quantize.precision=int8",
        )


def run(inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Outputs of the saved artifact -> outputs.npz, which says of which evaluation samples.

    Of all; where the backend's evidence is an emulator's, of as many as the recipe says.
    """
    import numpy as np

    from edgecompile.evaluate.outputs import save_outputs

    backend = get_backend(parameters["backend"])
    samples = np.load(inputs["samples"], mmap_mode="r")
    chosen = None
    if backend.evidence.emulated:
        chosen = _chosen_samples(backend, inputs, parameters["emulated_samples"], len(samples))
    if chosen is not None:
        samples = samples[chosen]
    ran = backend.run(inputs["artifact"], samples, parameters["options"])
    if not isinstance(ran, Run):
        ran = Run(ran, backend.evidence)
    save_outputs(folder / "outputs.npz", ran.outputs, chosen)
    return {
        "samples": len(samples),
        "evidence": str(ran.evidence),
        "measured": [asdict(found) for found in ran.measured],
    }


def _chosen_samples(
    backend: Backend, inputs: Mapping[str, Path], wanted: int | None, samples: int
) -> Array | None:
    import numpy as np

    from edgecompile.evaluate.subset import choose_samples
    from edgecompile.graph.hub import load

    labels = np.load(inputs["labels"], mmap_mode="r")
    seconds = 0.0  # a file from outside has no hub that tells how much work it is
    if "hub" in inputs and isinstance(backend, Emulates):
        seconds = backend.seconds_per_sample(load(inputs["hub"]))
    return choose_samples(samples, len(labels), wanted, seconds)
