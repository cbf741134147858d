"""Export: each node knows the user's line, and what cannot be exported is told with it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgecompile.errors import UserError
from edgecompile.frontend.export import export_onnx
from edgecompile.frontend.module import build_module
from edgecompile.graph.hub import serialize
from edgecompile.graph.provenance import provenance

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.stage = nn.Sequential(nn.Linear(4, 3), nn.ReLU())

    def forward(self, x):
        y = torch.tanh(self.first(x))
        {body}
        return self.stage(y)


def build():
    return Net()
"""


def export(folder: Path, body: str):
    (folder / "model.py").write_text(NET.format(body=body))
    module = build_module("model.py:build", None, folder)
    return export_onnx(module, [1, 4], folder)


def refusal(folder: Path, body: str) -> str:
    with pytest.raises(UserError) as caught:
        export(folder, body)
    return caught.value.render()


DYNAMIC = (
    "error: the module's control flow or shapes depend on the values of a tensor\n"
    "  --> model.py:13\n"
    " 13 |         {line}\n"
    "help: the graph must not depend on the values of tensors: use torch.where or torch.cond in "
    "place of Python control flow, and static shapes"
)


@pytest.mark.parametrize(
    "body",
    [
        "if y.sum() > 0: y = -y",
        "y = y[:, : int(y.argmax()) + 1]",
        "y = y * len(y.nonzero())",
    ],
)
def test_what_depends_on_the_values_of_tensors_is_one_message_with_the_line(tmp_path, body):
    assert refusal(tmp_path, body) == DYNAMIC.format(line=body)


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        ("y = torch.special.bessel_j0(y)", "prims.bessel_j0"),
        ("y = y + torch.linalg.eigvals(y.T @ y).real", "aten.linalg_eig"),
    ],
)
def test_an_operator_that_onnx_lacks_is_named_with_the_line(tmp_path, body, operator):
    assert refusal(tmp_path, body) == (
        f"error: ONNX has no operator for torch's '{operator}'\n"
        "  --> model.py:13\n"
        f" 13 |         {body}\n"
        "help: write that part of forward() with other operators"
    )


def test_an_exception_while_tracing_names_the_line(tmp_path):
    message = refusal(tmp_path, "y = y @ y")
    assert message.splitlines()[1:3] == ["  --> model.py:13", " 13 |         y = y @ y"]
    assert message.startswith("error: the module cannot be traced by torch.export: ")


def test_every_node_knows_its_module_and_the_line_of_the_user(tmp_path):
    model = export(tmp_path, "y = y * 2")
    found = {node.op_type: provenance(node) for node in model.graph}
    assert found["Tanh"].source == "model.py:12"
    assert found["Mul"].source == "model.py:13"
    assert found["Relu"].source == "model.py:14"
    assert found["Relu"].module == "stage.1"
    modules = [provenance(node).module for node in model.graph if node.op_type == "Gemm"]
    assert modules == ["first", "stage.0"]


def test_the_exported_model_is_opset_20_and_holds_no_path_and_no_date(tmp_path):
    model = export(tmp_path, "y = y * 2")
    data = serialize(model)
    proto = onnx.load_from_string(data)
    onnx.checker.check_model(proto)
    assert {i.domain: i.version for i in proto.opset_import}[""] == 20
    assert str(tmp_path).encode() not in data
    assert proto.producer_name == "edgecompile" and not proto.producer_version


def test_the_same_module_is_exported_to_the_same_bytes(tmp_path):
    assert serialize(export(tmp_path, "y = y * 2")) == serialize(export(tmp_path, "y = y * 2"))
