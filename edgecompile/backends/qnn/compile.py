"""A lowered hub -> a context binary for one chip, checked before anybody sees it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import onnx_ir as ir

from edgecompile.backends.isolation import Ended, run_isolated
from edgecompile.backends.qnn.binary import BinaryFacts, read_binary
from edgecompile.backends.qnn.options import QnnOptions
from edgecompile.backends.qnn.session import BINARY, HUB, TRACE, WRAPPER, compile_context
from edgecompile.backends.qnn.trace import Refusal, Trace, read_trace, refusals_said
from edgecompile.errors import ToolchainFailed, UserError
from edgecompile.graph.hub import save

TOOL = "Qualcomm's HTP compiler"
TIME_LIMIT_SECONDS = 600
BINARY_NAME = "model.bin"
_CONTEXT = "ep_cache_context"
_UNKNOWN_CHIP = "QNN_DEVICE_ERROR_INVALID_CONFIG"
_CHIP_REMEDY = "correct soc, soc_model and htp_arch in the target's options"
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \[\w:[^\]]*\] ", re.MULTILINE)
"""What ONNX Runtime puts before each line of its log: time, level, place."""


@dataclass(frozen=True)
class Compiled:
    """The files of an artifact: `wrapper` is the ONNX model whose EPContext node names `binary`."""

    wrapper: onnx.ModelProto
    binary: bytes
    trace: Trace
    trace_file: bytes


class Refused(Exception):
    """Nodes that the tensor processor does not take, while the target allows no split."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__(refusals)
        self.refusals = refusals


def compile_hub(hub: ir.Model, options: QnnOptions) -> Compiled:
    """Compile a hub that `lowering.lower_hub` made.

    Raises:
        Refused: the tensor processor lacks operators of it.
        UserError: the options name no chip, or another than the library compiled for.
        ToolchainFailed: the library crashed, hung, refused or left a broken file.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        save(hub, folder / HUB)
        ended = run_isolated(
            compile_context,
            options.soc_model,
            options.optimization,
            options.split,
            tool=TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=folder,
        )
        trace = _trace(folder, ended)
        if not ended.succeeded:
            refusals = refusals_said(ended.said) if trace is None else trace.refusals
            if refusals and (ended.exit_code or 0) > 0:
                raise Refused(refusals)
            if _UNKNOWN_CHIP in ended.said:
                raise UserError(
                    f"Qualcomm's library knows no chip with soc_model {options.soc_model}",
                    remedy=_CHIP_REMEDY,
                )
            raise _failure(ended)
        if trace is None:
            raise ToolchainFailed(f"{TOOL} ended without a trace of what it did")
        return _read(folder, trace, options)


def _failure(ended: Ended) -> ToolchainFailed:
    failure = replace(ended, said=_LOG_PREFIX.sub("", ended.said)).failure()
    failure.remedy = (
        "the fault is in Qualcomm's library: another precision, or other operators in forward(), "
        "may avoid it (docs/backends/qnn.md)"
    )
    return failure


def _trace(folder: Path, ended: Ended) -> Trace | None:
    try:
        return read_trace(folder / TRACE, ended.said)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(folder: Path, trace: Trace, options: QnnOptions) -> Compiled:
    """The files, once they are complete and for the chip that was asked for."""
    from google.protobuf.message import DecodeError

    try:
        wrapper = onnx.load(folder / WRAPPER, load_external_data=False)
        binary = (folder / BINARY).read_bytes()
        facts = read_binary(binary)
    except (OSError, DecodeError, ValueError, UserError) as error:
        raise ToolchainFailed(f"{TOOL} left a broken file: {error}") from error
    _require_chip(facts, options)
    contexts = [node for node in wrapper.graph.node if node.op_type == "EPContext"]
    if not contexts or (len(wrapper.graph.node) > 1 and not options.split):
        raise ToolchainFailed(f"{TOOL} split the graph, and the target allows no split")
    return Compiled(_renamed(wrapper), binary, trace, (folder / TRACE).read_bytes())


def _require_chip(facts: BinaryFacts, options: QnnOptions) -> None:
    """The library compiles for a generic chip when it does not know the one it is asked for."""
    if (facts.soc, facts.htp_arch) != (options.soc, options.htp_arch):
        raise UserError(
            f"the target is {options.soc} (soc_model {options.soc_model}, HTP v{options.htp_arch}),"
            f" and Qualcomm's library compiled for {facts.soc} (HTP v{facts.htp_arch})",
            remedy=_CHIP_REMEDY,
        )


def _renamed(wrapper: onnx.ModelProto) -> onnx.ModelProto:
    """The wrapper naming `model.bin`, without what other tools noted about the hub."""
    for node in wrapper.graph.node:
        for attribute in node.attribute:
            if attribute.name == _CONTEXT and attribute.s == BINARY.encode():
                attribute.s = BINARY_NAME.encode()
    kept = [p for p in wrapper.metadata_props if p.key.startswith("ep_compatibility_info")]
    pairs = [(p.key, p.value) for p in kept]
    del wrapper.metadata_props[:]
    for key, value in pairs:
        wrapper.metadata_props.add(key=key, value=value)
    return wrapper
