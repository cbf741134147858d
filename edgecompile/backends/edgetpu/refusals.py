"""What makes the compiler stop, or the chip compute something else: errors, not warnings."""

from __future__ import annotations

from collections.abc import Iterator

from edgecompile.backends.edgetpu.operator_versions import HIGHEST_VERSION
from edgecompile.findings import Finding
from edgecompile.formats.tflite.graph import FileGraph, FileOperator

TENSORFLOW_2_5 = "TensorFlow 2.5.0, the front end of edgetpu_compiler 16, run on such files"
MODELS = "https://coral.ai/docs/edgetpu/models-intro/"

PER_CHANNEL_VERSION = 12
"""The first version of FULLY_CONNECTED whose kernels read a scale per channel
(tensorflow/lite/tools/versioning/op_version.cc)."""

COMPILED = "edgetpu-custom-op"
"""The operator that holds a compiled program (libedgetpu, tflite/custom_op.h)."""


def find_refusals(graph: FileGraph) -> list[Finding]:
    """One error for each reason why the file must not go to the compiler."""
    found = list(_of_file(graph))
    versions = {}
    for operator in graph.operators:
        key = (operator.label, operator.version)
        highest = HIGHEST_VERSION.get(operator.name)
        known = operator.custom or (highest is not None and operator.version <= highest)
        if not known and key not in versions:
            versions[key] = _too_new(operator, highest)
        if _per_channel_dense(operator):
            found.append(_silent_garbage(operator))
    return found + list(versions.values())


def _of_file(graph: FileGraph) -> Iterator[Finding]:
    if not graph.operators:
        yield _error("edgetpu-empty", "the file has no operators")
    if graph.subgraphs != 1:
        yield _error(
            "edgetpu-subgraphs",
            f"the file has {graph.subgraphs} subgraphs: the compiler takes one",
            remedy="convert the model without control flow (if, while)",
            reference=MODELS,
        )
    if graph.has_outside_buffers:
        yield _error(
            "edgetpu-buffers",
            "the file keeps constants behind the flatbuffer, where the compiler does not look: "
            '"Input tensor ... lacks data"',
            remedy="let edgecompile write the file, or convert without external buffers",
            reference=TENSORFLOW_2_5,
        )


def _too_new(operator: FileOperator, highest: int | None) -> Finding:
    said = "it has no such operator" if highest is None else f"it reads up to version {highest}"
    return _error(
        "edgetpu-version",
        f"the compiler cannot read {operator.name} of version {operator.version}: {said}",
        operator,
        remedy="let edgecompile write the file: it takes the lowest version that can do the job",
        reference=TENSORFLOW_2_5,
    )


def _per_channel_dense(operator: FileOperator) -> bool:
    weight = operator.input(1) if operator.name == "FULLY_CONNECTED" else None
    per_channel = weight is not None and len(weight.scale) > 1
    return per_channel and operator.version < PER_CHANNEL_VERSION


def _silent_garbage(operator: FileOperator) -> Finding:
    return _error(
        "edgetpu-per-channel-dense",
        f"FULLY_CONNECTED ({operator.index}) has a scale per channel but version "
        f"{operator.version}, whose kernels read one scale: old runtimes compute something else "
        "and say nothing",
        operator,
        remedy="let edgecompile write the file, or convert with "
        "_experimental_disable_per_channel_quantization_for_dense_layers",
        reference=TENSORFLOW_2_5,
    )


def _error(
    rule: str,
    message: str,
    operator: FileOperator | None = None,
    remedy: str | None = None,
    reference: str | None = None,
) -> Finding:
    return Finding(
        "error",
        rule,
        message,
        node=None if operator is None else str(operator.index),
        op_type=None if operator is None else operator.label,
        remedy=remedy,
        reference=reference,
    )
