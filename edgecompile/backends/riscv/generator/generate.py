"""A hub as a C program: its operators in the hub's order, then the plan of its memory."""

from __future__ import annotations

from typing import cast

import onnx_ir as ir

from edgecompile.backends.riscv.generator.arena import plan_arena
from edgecompile.backends.riscv.generator.check import check_operators, is_folded
from edgecompile.backends.riscv.generator.crossing import quantize
from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.movement import move_tensor, part_in_place
from edgecompile.backends.riscv.generator.operators.table import OPERATORS
from edgecompile.backends.riscv.generator.source import Borders, model_source, names_of
from edgecompile.backends.riscv.generator.storage import Storage, Tensor
from edgecompile.backends.riscv.isa import Isa
from edgecompile.backends.riscv.program import Block, Border, ElementType, Program
from edgecompile.errors import ContractError, TargetCannotRun
from edgecompile.graph.hub import name_of, shape_of
from edgecompile.graph.layout import border_order
from edgecompile.graph.macs import count_macs
from edgecompile.graph.qdq import tensor_params

_INTEGER_BITS = {name: entry.bits for name, entry in OPERATORS.items()}


def generate(hub: ir.Model, isa: Isa, *, threads: int = 1) -> Program:
    """The C program of a hub: quantized or float, for cores with `isa`. 4-D tensors are NHWC.

    Every tensor has batch size 1, the code runs one sample at a time. The same hub gives the same
    text.

    With `threads` above 1 the convolutions and matrix products that are large enough are split
    between as many POSIX threads: that C needs a C library. The results are the same.

    Raises:
        TargetCannotRun: an operator that has no form in C (what `check_operators` finds).
    """
    _require_operators(hub)
    emission = Emission(isa, _INTEGER_BITS, threads)
    inputs = [
        _input(emission, value, name)
        for value, name in zip(hub.graph.inputs, names_of("in", len(hub.graph.inputs)), strict=True)
    ]
    for node in hub.graph:
        _emit(emission, node)
    emission.origin = "outputs"
    outputs = [
        _output(emission, value, name)
        for value, name in zip(
            hub.graph.outputs, names_of("out", len(hub.graph.outputs)), strict=True
        )
    ]
    borders = Borders(
        [_border(name_of(v), t) for v, t in zip(hub.graph.inputs, inputs, strict=True)],
        [_border(name_of(v), t) for v, t in zip(hub.graph.outputs, outputs, strict=True)],
    )
    arena = plan_arena(emission.steps)
    return Program(
        sources={
            "model.c": model_source(emission.steps, emission.constants, arena, borders, threads),
            "model.h": borders.header(arena.bytes),
        },
        inputs=tuple(borders.inputs),
        outputs=tuple(borders.outputs),
        arena=arena.bytes,
        activations=_blocks(list(arena.offsets)),
        constants=_blocks(list(emission.constants)),
        macs=count_macs(hub),
    )


def _require_operators(hub: ir.Model) -> None:
    for finding in check_operators(hub):
        where = ", ".join(part for part in (finding.module, finding.source) if part)
        raise TargetCannotRun(
            f"{finding.node}{f' ({where})' if where else ''}: {finding.message}",
            remedy=finding.remedy,
        )


def _emit(emission: Emission, node: ir.Node) -> None:
    if node.op_type == "DequantizeLinear" or is_folded(node):
        return
    emission.enter(node)
    if node.op_type == "QuantizeLinear":
        _quantize(emission, node)
    elif node.op_type in OPERATORS:
        OPERATORS[node.op_type].emit(emission, node)
    else:
        raise ContractError(f"{node.name}: {node.op_type} is not written in C")


def _quantize(emission: Emission, node: ir.Node) -> None:
    """A QuantizeLinear whose tensor is a float in C, or has other parameters there."""
    if emission.is_published(node):
        return  # the operator before it wrote its integers already
    source = node.inputs[0]
    assert source is not None
    tensor = emission.lookup(source)
    if tensor is None:
        raise ContractError(f"{node.name}: the tensor {source.name} was not emitted")
    result = node.outputs[0]
    emission.define(result, quantize(emission, tensor, name_of(result), tensor_params(node)))


def _input(emission: Emission, value: ir.Value, name: str) -> Tensor:
    shape = shape_of(value)
    order = border_order(len(shape))
    readers = [use.node for use in value.uses()]
    quantizers = [node for node in readers if node.op_type == "QuantizeLinear"]
    is_integer = bool(readers) and len(quantizers) == len(readers)
    params = tensor_params(quantizers[0]) if is_integer else None
    draft = emission.new(name, shape, order, params)
    tensor = Tensor(Storage(name, draft.storage.bytes, "input"), shape, order, params)
    if not is_integer:
        emission.define(value, tensor)
    for node in quantizers if is_integer else []:
        emission.define(node.outputs[0], tensor)
    return tensor


def _output(emission: Emission, value: ir.Value, name: str) -> Tensor:
    tensor = emission.lookup(value)
    if tensor is None:
        raise ContractError(f"the graph output {value.name} was not emitted")
    tensor = emission.in_order(tensor, border_order(len(tensor.shape)))
    if tensor.shape[0] != 1:  # a sample is what one batch index holds
        first = part_in_place(tensor, [0] * len(tensor.shape), (1, *tensor.shape[1:]))
        assert first is not None
        tensor = first
    size = tensor.size * tensor.dtype.itemsize
    storage = tensor.storage
    if storage.place == "arena" and storage.bytes == size and tensor.offset == 0:
        storage.name, storage.place = name, "output"
        return tensor
    result = Tensor(Storage(name, size, "output"), tensor.shape, tensor.order, tensor.params)
    move_tensor(emission, tensor, result)
    return result


def _border(name: str, tensor: Tensor) -> Border:
    """Without the batch axis, which every order leaves in front."""
    params = tensor.params
    transpose = tuple(axis - 1 for axis in tensor.order[1:])
    return Border(
        name,
        cast("ElementType", str(tensor.dtype)),
        tensor.stored[1:],
        () if transpose == tuple(range(len(transpose))) else transpose,
        None if params is None else params.scale,
        None if params is None else params.zero_point,
    )


def _blocks(storages: list[Storage]) -> tuple[Block, ...]:
    ordered = sorted(storages, key=lambda one: (-one.bytes, one.name))
    return tuple(Block(one.name, one.bytes) for one in ordered)
