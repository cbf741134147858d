"""Backends by name. Listing them imports none; a plug-in package adds to them by entry point."""

from __future__ import annotations

import importlib
from pathlib import Path

from edgecompile.backends.protocol import Backend
from edgecompile.errors import ContractError, EdgecompileError, ToolchainMissing, UserError
from edgecompile.plugins import Plugin, find_module, plugins

_BUILTIN = {
    "edgetpu": "edgecompile.backends.edgetpu.backend:EdgeTpuBackend",
    "loihi": "edgecompile.backends.spiking.loihi.backend:LoihiBackend",
    "speck": "edgecompile.backends.spiking.speck.backend:SpeckBackend",
    "coreml": "edgecompile.backends.coreml.backend:CoreMLBackend",
    "onnxruntime": "edgecompile.backends.onnxruntime.backend:OnnxRuntimeBackend",
    "tensorrt": "edgecompile.backends.tensorrt.bundle_backend:TensorRTBundleBackend",
    "tensorrt-rtx": "edgecompile.backends.tensorrt.engine_backend:TensorRTEngineBackend",
    "qnn": "edgecompile.backends.qnn.backend:QnnBackend",
    "riscv": "edgecompile.backends.riscv.backend:RiscvBackend",
    "tflite": "edgecompile.backends.tflite.backend:TFLiteBackend",
}

_PARTS = (
    *("name", "evidence", "main_file", "options_schema"),
    *("probe", "check", "lower", "run", "estimate", "inspect"),
)
"""What every backend has (`Backend` of protocol.py; a test holds the two together)."""


def backend_names() -> list[str]:
    """Every known backend, built in and installed, also one that does not load."""
    return sorted(_BUILTIN.keys() | {plugin.name for plugin in plugins()})


def loaded_backends() -> tuple[list[Backend], list[EdgecompileError]]:
    """Every backend that loads, by name, and what is wrong with the others."""
    loaded: list[Backend] = []
    problems: list[EdgecompileError] = []
    for name in backend_names():
        try:
            loaded.append(get_backend(name))
        except EdgecompileError as error:  # one broken package must not hide the others
            problems.append(error)
    return loaded, problems


def get_backend(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        UserError: there is none, or two packages claim the name.
        ToolchainMissing: its package does not load, or is no backend.
    """
    plugin = _plugin(name)
    if plugin is not None:
        return _load(plugin)
    module, _, attribute = _BUILTIN[name].partition(":")
    backend: Backend = getattr(importlib.import_module(module), attribute)()
    return backend


def backend_package(name: str) -> str | None:
    """Name and version of the package that brings the backend; None for one that is built in.

    Raises:
        UserError: there is no such backend, or two packages claim the name.
    """
    plugin = _plugin(name)
    return None if plugin is None else plugin.package


def backend_source(name: str) -> Path:
    """The file that defines the backend, for the fingerprint of its code. Imports nothing."""
    plugin = _plugin(name)
    module = _BUILTIN[name].partition(":")[0] if plugin is None else plugin.module
    file = find_module(module)
    if file is None:
        raise ContractError(f"the backend '{name}' has no source: {module}")
    return file


def _plugin(name: str) -> Plugin | None:
    """The package's backend of that name; None where it is built in."""
    claims = [plugin for plugin in plugins() if plugin.name == name]
    owners = ["edgecompile itself"] * (name in _BUILTIN) + [
        f"the package {plugin.package} ({plugin.reference})" for plugin in claims
    ]
    if len(owners) > 1:
        raise UserError(
            f"two backends are named '{name}': that of {owners[0]} and that of {owners[1]}",
            remedy=f"uninstall one: pip uninstall {claims[-1].package.split()[0]}",
        )
    if not owners:
        known = ", ".join(backend_names())
        raise UserError(f"there is no backend named '{name}'", remedy=f"known are: {known}")
    return claims[0] if claims else None


def _load(plugin: Plugin) -> Backend:
    what = f"the backend '{plugin.name}' of the package {plugin.package} ({plugin.reference})"
    remedy = f"repair the package, or remove it: pip uninstall {plugin.package.split()[0]}"
    try:
        backend: Backend = getattr(
            importlib.import_module(plugin.module), plugin.reference.partition(":")[2]
        )()
    except (Exception, SystemExit) as error:  # a stranger's module may raise whatever it likes
        raise ToolchainMissing(
            f"{what} does not load: {type(error).__name__}: {error}", remedy=remedy
        ) from error
    lacking = [part for part in _PARTS if not hasattr(backend, part)]
    if lacking:
        raise ToolchainMissing(
            f"{what} is no backend: it lacks {', '.join(lacking)}",
            remedy=f"edgecompile.backends.protocol says what they do; else {remedy}",
        )
    if backend.name != plugin.name:
        raise ToolchainMissing(
            f"{what} calls itself '{backend.name}'", remedy="give both the same name"
        )
    return backend
