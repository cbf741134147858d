"""The files of a QNN artifact, written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.protocol import Inspection, OperatorFacts
from edgecompile.backends.qnn.binary import read_binary
from edgecompile.backends.qnn.check import findings_of
from edgecompile.backends.qnn.compile import BINARY_NAME, Refused, compile_hub
from edgecompile.backends.qnn.dlc import DLC_NAME, dlc_of
from edgecompile.backends.qnn.lowering import lower_hub
from edgecompile.backends.qnn.options import QnnOptions
from edgecompile.backends.qnn.session import TRACE
from edgecompile.backends.qnn.trace import operators_in
from edgecompile.backends.qnn.wrapper import WEIGHT_BYTES, WRAPPER_NAME, read_wrapper
from edgecompile.errors import TargetCannotRun
from edgecompile.graph.hub import constant
from edgecompile.graph.qdq import bits_of


def write_artifact(hub: ir.Model, options: QnnOptions, folder: Path) -> None:
    """Compile `hub` and write the binary, its wrapper and the trace into `folder`.

    Raises:
        TargetCannotRun: the chip lacks an operator in the types that the hub has now.
        ToolchainFailed: the compiler crashed, hung or left a broken file.
    """
    lowered = lower_hub(hub)
    try:
        compiled = compile_hub(lowered, options)
    except Refused as refused:
        first, *more = findings_of(refused.refusals, hub, options)
        place = ", ".join(part for part in (first.module, first.source) if part)
        raise TargetCannotRun(
            f"{first.message} [{place or first.node}]" + (f" (and {len(more)} more)" * bool(more)),
            remedy=first.remedy,
        ) from refused
    compiled.wrapper.metadata_props.add(key=WEIGHT_BYTES, value=str(_weight_bytes(hub)))
    (folder / BINARY_NAME).write_bytes(compiled.binary)
    (folder / WRAPPER_NAME).write_bytes(compiled.wrapper.SerializeToString(deterministic=True))
    (folder / TRACE).write_bytes(compiled.trace_file)
    if options.dlc:
        (folder / DLC_NAME).write_bytes(dlc_of(lowered))


def _weight_bytes(hub: ir.Model) -> int:
    """Bytes of the constants as the hub holds them."""
    arrays = [constant(value) for value in hub.graph.initializers.values()]
    bits = sum(array.size * bits_of(array) for array in arrays if array is not None)
    return (bits + 7) // 8


def inspect_artifact(artifact: Path) -> Inspection:
    """What the binary, the wrapper and the trace say.

    Raises:
        UserError: the file is no context binary, or has no wrapper beside it.
    """
    content = artifact.read_bytes()
    facts = read_binary(content)
    wrapper = read_wrapper(artifact)
    return Inspection(
        format=f"QNN context binary for {facts.soc} (HTP v{facts.htp_arch}, "
        f"{facts.vtcm_bytes >> 20} MiB VTCM, {facts.hvx_threads} HVX threads)",
        size_bytes=len(content),
        weight_bytes=wrapper.weight_bytes or 0,
        inputs=wrapper.inputs,
        outputs=wrapper.outputs,
        operators=tuple(OperatorFacts(name, None, (), ()) for name in _operators(artifact.parent)),
    )


def _operators(folder: Path) -> tuple[str, ...]:
    """From the trace beside a binary of ours; a stranger's tells none."""
    try:
        return operators_in(json.loads((folder / TRACE).read_bytes())["subgraph_traces"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
