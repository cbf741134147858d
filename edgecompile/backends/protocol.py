"""What a toolchain has to offer: the one interface between the build and a backend."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts

if TYPE_CHECKING:
    import onnx_ir as ir
    from pydantic import BaseModel

    from edgecompile.artifact_check import ArtifactCheck
    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.evidence import Evidence
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.measured import Measured
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


__all__ = [
    "Backend",
    "ChecksArtifacts",
    "Emulates",
    "Inspection",
    "Lowered",
    "LowersByData",
    "MayRoundLess",
    "OperatorFacts",
    "Probe",
    "Run",
    "RunsPrograms",
    "TensorFacts",
    "Tuning",
]
"""A plug-in finds here everything that the protocol speaks of."""


@dataclass(frozen=True)
class Probe:
    """Is the toolchain here? `versions` maps a package to its version; where it is not, `reason`
    says what is missing and `remedy` what to type."""

    available: bool
    versions: dict[str, str] = field(default_factory=dict)
    remedy: str | None = None
    reason: str | None = None

    @classmethod
    def of_package(cls, name: str) -> Probe:
        """A toolchain that is one Python package."""
        try:
            return cls(True, {name: importlib.metadata.version(name)})
        except importlib.metadata.PackageNotFoundError:
            return cls(False, remedy=f"pip install {name}", reason=f"{name} is not installed")


@dataclass(frozen=True)
class Run:
    """Outputs with the evidence that they are, where it depends on the machine: a GPU is there.

    `measured` is what else was found out while it ran: instructions, memory.
    """

    outputs: Sequence[Array]
    evidence: Evidence
    measured: Sequence[Measured] = ()


@dataclass(frozen=True)
class Tuning:
    """Data that a lowering may look at, none of which is evaluated, and how it judges.

    `reference` is the float hub before all compression. Samples are float32 (samples, *shape
    without batch). `training` is None where the recipe has no data.train. `budget`: points of the
    metric that may be lost against the reference, None: any. `stage`: what the recipe says of the
    stage that decided the numbers. `spikes`: where the recipe gives spikes, those of the validation
    samples, float32 (samples, steps, *shape without batch), whose means the samples are.
    """

    reference: ir.Model
    validation: tuple[Array, Array]
    training: tuple[Array, Array] | None
    metric: Any
    budget: float | None
    stage: Mapping[str, Any]
    recipe_folder: Path
    spikes: Array | None = None


@dataclass(frozen=True)
class Lowered:
    """What is worth saying about an artifact, and an account of what was tried, as plain data."""

    findings: Sequence[Finding] = ()
    account: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """One toolchain. Instances hold no state; every method is pure in its arguments."""

    name: str
    evidence: Evidence
    """What `run` gives: the level of evidence of a number measured on its outputs."""
    main_file: str
    """The file of an artifact that a device loads; others may lie beside it."""
    options_schema: type[BaseModel]
    """What a target (or a recipe, for this build) may choose: its `options` are held against it."""

    def probe(self) -> Probe:
        """Is the toolchain installed, which versions, and what to type if not."""
        ...

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """What will not work with the float hub on this target, found before anything slow."""
        ...

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> Sequence[Finding] | None:
        """Write the artifact into the empty `folder`; byte-identical when repeated.

        The hub holds the precision: float, float16 or int8 weights, or QDQ pairs. Returns what
        is worth saying about the result (what the toolchain left in float, say), if anything.

        Raises:
            TargetCannotRun: an operator that the target lacks.
            ToolchainFailed: the vendor's tool crashed, hung or refused.
        """
        ...

    def run(
        self, artifact: Path, inputs: Array, options: Mapping[str, Any]
    ) -> Sequence[Array] | Run:
        """Execute the saved artifact `main_file` on every sample; `options` are the target's.

        `inputs` is float32, shape (samples, *model input shape without its batch dimension), in
        the model's own layout (NCHW). Returns one float32 array per model output, shape
        (samples, ...), in the model's own layout: the border's quantization and layout are undone.
        A `Run` says of other evidence than the backend's, or brings more than outputs.
        """
        ...

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """What the saved artifact, lowered from `hub`, may cost on the device, by models of it."""
        ...

    def inspect(self, artifact: Path) -> Inspection:
        """Read the artifact back from its bytes."""
        ...


@runtime_checkable
class ChecksArtifacts(Protocol):
    """What a backend may offer: to say of a file, ours or a stranger's, what the device will do."""

    def check_artifact(self, artifact: Path, target: Target) -> ArtifactCheck:
        """The fate of each operator, and findings. Whatever the bytes are, it is told as a
        finding."""
        ...


@runtime_checkable
class LowersByData(Protocol):
    """What a backend may offer whose artifact depends on data: how many steps a spiking network
    runs is decided by the chip's own simulator on validation samples.

    Where the recipe gives spikes, `run` gets them in place of samples: (samples, steps, *shape)."""

    def lower_by_data(self, hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
        """As `lower`, with data to decide by; the same data give the same bytes.

        Raises:
            TargetCannotRun: an operator that the target lacks, or a limit that is exceeded.
            BudgetBroken: nothing that was tried holds the budget.
        """
        ...


@runtime_checkable
class Emulates(Protocol):
    """What a backend may offer whose `run` is far slower than the device."""

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """About what `run` takes for one sample of an artifact lowered from `hub`.

        It decides how many samples are measured, so it is a rule of thumb by the hub's size, the
        same on every machine.
        """
        ...


@runtime_checkable
class MayRoundLess(Protocol):
    """What a backend may offer whose device is better off without some of the hub's roundings."""

    def rounds_less(self, target: Target) -> bool:
        """Are pairs of the hub left out of the target's artifacts? The others are the hub's."""
        ...


@runtime_checkable
class RunsPrograms(Protocol):
    """What a backend may offer: to name the programs that `lower` calls where they are there."""

    def programs(self) -> Mapping[str, str]:
        """Version by name of each such program that is here. They belong to the key of the step:
        once a program is installed, what was lowered without it is lowered anew."""
        ...
