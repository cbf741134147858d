"""From a hub to a list of nodes, and the list executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def _per_axis(parameter: Any, x: Any, axis: int) -> Any:
    """A scale or zero point per channel, in a shape that `x` can be computed with."""
    shape = [1] * x.ndim
    if parameter.ndim:
        shape[axis] = -1
    return parameter.reshape(shape)


def _quantize(x: Any, scale: Any, zero: Any, axis: int = 1) -> Any:
    low, high = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
    steps = np.rint(x / _per_axis(scale, x, axis)) + _per_axis(zero, x, axis)
    return np.clip(steps, low, high).astype(zero.dtype)


def _dequantize(q: Any, scale: Any, zero: Any, axis: int = 1) -> Any:
    steps = q.astype(np.int32) - _per_axis(zero, q, axis).astype(np.int32)
    return steps.astype(np.float32) * _per_axis(scale, q, axis)


def _gemm(  # ONNX writes its attributes so
    x: Any,
    w: Any,
    bias: Any = 0,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Any:
    product = (x.T if transA else x) @ (w.T if transB else w)
    return np.float32(alpha) * product + np.float32(beta) * bias


OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "DequantizeLinear": _dequantize,
    "Gemm": _gemm,
    "MatMul": np.matmul,
    "QuantizeLinear": _quantize,
    "Relu": lambda x: np.maximum(x, np.float32(0)),
}
"""What each operator does, with the attributes of ONNX by name."""


def program_of(hub: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The nodes of a hub as plain data, and its constants by name."""
    from edgecompile.graph.hub import name_of, shape_of

    graph = hub.graph
    constants = {n: v.const_value.numpy() for n, v in graph.initializers.items()}
    nodes = [
        {
            "operator": node.op_type,
            "inputs": [name_of(value) for value in node.inputs if value is not None],
            "output": name_of(node.outputs[0]),
            "attributes": {name: a.value for name, a in node.attributes.items()},
        }
        for node in graph
    ]
    borders = [*graph.inputs, *graph.outputs]
    program = {
        "input": name_of(graph.inputs[0]),
        "outputs": [name_of(value) for value in graph.outputs],
        "shapes": {name_of(value): list(shape_of(value)) for value in borders},
        "nodes": nodes,
    }
    return program, constants


def read(artifact: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `program_of` gave, out of the file."""
    from safetensors import safe_open

    with safe_open(artifact, "numpy") as file:
        constants = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        return json.loads(file.metadata()["program"]), constants


def execute(program: Mapping[str, Any], constants: Mapping[str, Any], samples: Any) -> list[Any]:
    """Each output for each sample, one at a time as devices do."""
    rows = []
    for sample in samples:
        values = {**constants, program["input"]: sample[None]}
        for node in program["nodes"]:
            operands = [values[name] for name in node["inputs"]]
            values[node["output"]] = OPERATORS[node["operator"]](*operands, **node["attributes"])
        rows.append([values[name][0] for name in program["outputs"]])
    return [np.stack(column) for column in zip(*rows, strict=True)]
