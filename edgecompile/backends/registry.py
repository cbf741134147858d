"""Backends by name. Listing them imports none; a plug-in package adds to them by entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

from edgecompile.backends.protocol import Backend
from edgecompile.errors import ContractError, UserError

ENTRY_POINT_GROUP = "edgecompile.backends"

_BUILTIN = {
    "edgetpu": "edgecompile.backends.edgetpu.backend:EdgeTpuBackend",
    "loihi": "edgecompile.backends.spiking.loihi.backend:LoihiBackend",
    "coreml": "edgecompile.backends.coreml.backend:CoreMLBackend",
    "onnxruntime": "edgecompile.backends.onnxruntime.backend:OnnxRuntimeBackend",
    "tensorrt": "edgecompile.backends.tensorrt.bundle_backend:TensorRTBundleBackend",
    "tensorrt-rtx": "edgecompile.backends.tensorrt.engine_backend:TensorRTEngineBackend",
    "qnn": "edgecompile.backends.qnn.backend:QnnBackend",
    "riscv": "edgecompile.backends.riscv.backend:RiscvBackend",
    "tflite": "edgecompile.backends.tflite.backend:TFLiteBackend",
}
"""A plain table, not entry points of our own: the scan of all installed packages is slow, and is
made only for a name that is not here."""


def backend_names() -> list[str]:
    """Every known backend, built in and installed."""
    return sorted(_BUILTIN.keys() | _plugins().keys())


def get_backend(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        UserError: there is none.
        ContractError: a plug-in takes the name of another backend, or does not load.
    """
    reference = _reference(name)
    module, _, attribute = reference.partition(":")
    try:
        backend: Backend = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ContractError(f"the backend '{name}' ({reference}) does not load: {error}") from error
    return backend


def backend_source(name: str) -> Path:
    """The file that defines the backend, for the fingerprint of its code. Imports nothing."""
    module = _reference(name).partition(":")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ContractError(f"the backend '{name}' has no source: {module}")
    return Path(spec.origin)


def _reference(name: str) -> str:
    if name in _BUILTIN:
        return _BUILTIN[name]
    plugins = _plugins()
    if name not in plugins:
        known = ", ".join(sorted(_BUILTIN.keys() | plugins.keys()))
        raise UserError(f"there is no backend named '{name}'", remedy=f"known are: {known}")
    return plugins[name]


def _plugins() -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        taken = _BUILTIN.get(entry.name) or found.get(entry.name)
        if taken is not None and taken != entry.value:
            raise ContractError(f"two backends are named '{entry.name}': {taken} and {entry.value}")
        found[entry.name] = entry.value
    return found
