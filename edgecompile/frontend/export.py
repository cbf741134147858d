"""torch.export and ONNX: the module as a graph whose nodes know the user's lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.errors import UserError
from edgecompile.recipe.blame import blame, last_user_line, last_user_place

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

OPSET = 20
"""The first opset with Gelu as one operator; 18 splits it into Erf, which TFLite lacks."""

_TORCH_STACK = "pkg.torch.onnx.stack_trace"
_TORCH_SCOPES = "pkg.torch.onnx.name_scopes"
_EXPORT_REMEDY = (
    "the graph must not depend on the values of tensors: use torch.where or torch.cond "
    "in place of Python control flow, and static shapes"
)


def export_onnx(module: torch.nn.Module, shape: list[int], folder: Path) -> ir.Model:
    """Export `module`, called with one float32 tensor of `shape`, at opset 20.

    Each node's metadata hold its module path and the user's line relative to `folder`.

    Raises:
        UserError: the module cannot be traced or has an operator that ONNX lacks; the message
            names the user's line.
    """
    import torch

    example = torch.zeros(shape, dtype=torch.float32)
    try:
        program = torch.export.export(module, (example,), strict=False)
    except Exception as error:
        raise _tracing_error(error, folder) from error
    try:
        exported = torch.onnx.export(
            program,
            (),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
            input_names=["input"],
        )
    except Exception as error:
        raise _conversion_error(error, program, folder) from error
    if exported is None:
        raise UserError("torch.onnx.export returned no graph")
    model = exported.model
    _require_plain_signature(model)
    _rewrite_provenance(model, folder)
    model.producer_name, model.producer_version, model.doc_string = "edgecompile", None, None
    model.metadata_props.clear()
    model.graph.doc_string = None
    model.graph.metadata_props.clear()
    return model


def _tracing_error(error: Exception, folder: Path) -> UserError:
    """torch.export prints the user's line in its message where the traceback has none."""
    text = str(error)
    dynamic = "(Dynamo" in text or "data-dependent" in text.lower()
    mended = blame(error, folder, "the module cannot be traced by torch.export", _EXPORT_REMEDY)
    place = mended.location or last_user_place(text, folder)
    message = "the module's control flow or shapes depend on the values of a tensor"
    return UserError(message if dynamic else mended.message, location=place, remedy=_EXPORT_REMEDY)


def _conversion_error(
    error: Exception, program: torch.export.ExportedProgram, folder: Path
) -> UserError:
    text = "\n".join(str(e) for e in _chain(error))
    match = re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", text)
    if match is None:
        message = f"the traced module cannot be written as ONNX: {text.strip().splitlines()[0]}"
        place = last_user_place(text, folder)
    else:
        message = f"ONNX has no operator for torch's '{match[1]}'"
        place = last_user_place(_stack_of(match[1], program), folder)
    return UserError(
        message, location=place, remedy="write that part of forward() with other operators"
    )


def _stack_of(operator: str, program: torch.export.ExportedProgram) -> str:
    """Where the user's code calls `operator`, which may be a part of what was called."""
    graphs = [program.graph, program.run_decompositions().graph]
    for name in (operator, operator.rpartition(".")[2]):  # prims.x may be a part of aten.special_x
        for node in (node for graph in graphs for node in graph.nodes):
            if name in str(node.target):
                return str(node.meta.get("stack_trace", ""))
    return ""


def _chain(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _require_plain_signature(model: ir.Model) -> None:
    if len(model.graph.inputs) != 1:
        raise UserError(f"the module takes {len(model.graph.inputs)} tensors; one is supported")
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is None or not value.shape.is_static():
            raise UserError(f"the tensor '{value.name}' has no static shape: {value.shape}")


def _rewrite_provenance(model: ir.Model, folder: Path) -> None:
    """Replace torch's long metadata by two short keys without absolute paths."""
    from edgecompile.graph.provenance import MODULE_KEY, SOURCE_KEY

    for node in model.graph.all_nodes():
        stack = node.metadata_props.get(_TORCH_STACK, "")
        module = _module_path(node)
        node.metadata_props.clear()
        node.doc_string = None
        if module:
            node.metadata_props[MODULE_KEY] = module
        place = last_user_line(stack, folder)
        if place is not None:
            node.metadata_props[SOURCE_KEY] = place


def _module_path(node: ir.Node) -> str | None:
    """``stage1.conv1``. A parameter's name tells it better than the scope, which after the
    folding of BatchNorm into a convolution is the BatchNorm's."""
    for value in node.inputs[1:]:
        if value is not None and value.is_initializer() and value.name:
            owner, _, parameter = value.name.rpartition(".")
            if owner and parameter in {"weight", "bias"}:
                return owner
    scopes = node.metadata_props.get(_TORCH_SCOPES)
    if not scopes:
        return None
    try:
        names = ast.literal_eval(scopes)
    except (SyntaxError, ValueError):
        return None
    return str(names[-2]) if len(names) >= 2 and names[-2] else None
