"""The RISC-V backend: `model.c`, and the program and library that zig makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.backends.protocol import Inspection, Probe, Run
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.evaluate.evidence import Evidence

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.estimate import Estimate
    from edgecompile.evaluate.outputs import Array
    from edgecompile.findings import Finding
    from edgecompile.recipe.schema import Precision
    from edgecompile.recipe.target import Target


class RiscvBackend:
    """Our generator of C, zig's clang, QEMU."""

    name = "riscv"
    evidence = Evidence.ISA_EMULATOR
    main_file = "model.elf"
    options_schema = RiscvOptions

    def probe(self) -> Probe:
        """zig from PyPI, and QEMU's emulators of programs and of machines."""
        from edgecompile.backends.riscv.probe import probe

        return probe()

    def programs(self) -> Mapping[str, str]:
        """zig's version, and IREE's where it is installed: they make the bytes of files."""
        packages = ("ziglang", "iree-base-compiler")
        return {k: v for name in packages for k, v in Probe.of_package(name).versions.items()}

    def check(self, hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
        """Operators that have no C here; weights or tensors that the device has no room for."""
        from edgecompile.backends.riscv.check import check_hub

        return check_hub(hub, target, precision)

    def lower(self, hub: ir.Model, target: Target, folder: Path) -> list[Finding]:
        """Write the C, the library, the program that runs samples, and files that build them.

        With `emit: vmfb`, a module for IREE as well, and what its twin on this computer gave.
        """
        from edgecompile.backends.riscv.artifact import one_thread_here, write_artifact
        from edgecompile.backends.riscv.generator.generate import generate
        from edgecompile.backends.riscv.iree import write_module
        from edgecompile.backends.riscv.isa import parse_isa

        options = RiscvOptions.model_validate(target.options)
        isa = parse_isa(options.isa)
        write_artifact(generate(hub, isa, threads=options.threads), target, folder)
        found = [write_module(hub, isa, folder)] if options.emit == "vmfb" else []
        return found + ([one_thread_here(options.threads)] if options.threads > 1 else [])

    def run(self, artifact: Path, inputs: Array, options: Mapping[str, Any]) -> Run:
        """Execute the saved program under QEMU, on all samples, and count on a few."""
        from edgecompile.backends.riscv.emulator import run_all
        from edgecompile.backends.riscv.measurement import measure

        return Run(run_all(artifact, inputs), self.evidence, measure(artifact, inputs))

    def seconds_per_sample(self, hub: ir.Model) -> float:
        """One inference under QEMU, on one core."""
        from edgecompile.backends.riscv.emulator import seconds_per_sample

        return seconds_per_sample(hub)

    def estimate(self, hub: ir.Model, artifact: Path, target: Target) -> Sequence[Estimate]:
        """The roofline of the device's published figures: QEMU measures no time."""
        from edgecompile.backends.roofline import roofline
        from edgecompile.graph.macs import count_macs

        return roofline(count_macs(hub), self.inspect(artifact).weight_bytes, target.facts)

    def inspect(self, artifact: Path) -> Inspection:
        """Borders and sizes of a program."""
        from edgecompile.backends.riscv.artifact import inspect_artifact

        return inspect_artifact(artifact)
