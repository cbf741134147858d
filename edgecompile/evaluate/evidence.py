"""How a number was obtained. Shown wherever a number is shown."""

from __future__ import annotations

from enum import StrEnum


class Evidence(StrEnum):
    """Levels of evidence, the strongest first."""

    DEVICE = "device"
    """Measured on the real silicon."""
    VENDOR_RUNTIME = "vendor-runtime"
    """The runtime that ships on the device, executed on this CPU."""
    VENDOR_EMULATOR = "vendor-emulator"
    """The vendor's emulator of the device."""
    ISA_EMULATOR = "isa-emulator"
    """The device's binary, executed by an instruction-set emulator."""
    REFERENCE = "reference"
    """Our interpreter of the saved artifact."""
    GRAPH = "graph"
    """ONNX Runtime on the hub, its graph optimizations off: what the hub says."""
    PYTORCH = "pytorch"
    """The user's own module: the baseline that losses are counted from."""
    ESTIMATE = "estimate"
    """Computed from a model of the device, never measured."""

    @property
    def emulated(self) -> bool:
        """Comes from something far slower than the device."""
        return self in {Evidence.VENDOR_EMULATOR, Evidence.ISA_EMULATOR, Evidence.REFERENCE}
