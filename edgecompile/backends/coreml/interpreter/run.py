"""Execute a program on every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from edgecompile.backends.coreml.interpreter.table import CONSTANTS, OPERATORS
from edgecompile.backends.coreml.program import Operation, Program
from edgecompile.backends.coreml.program import Tensor as TensorType
from edgecompile.errors import UserError
from edgecompile.graph.hub import Array
from edgecompile.parallel import cores

BATCH = 64
"""Samples that are computed at once: more take memory, and no less time."""

_TYPES = {
    "float16": torch.float16,
    "float32": torch.float32,
    "bool": torch.bool,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "int32": torch.int32,
}

Values = dict[str, Any]


def unsupported(program: Program) -> list[str]:
    """The kinds of operators that the interpreter does not compute."""
    kinds = {operation.kind for operation in program.operations}
    return sorted(kinds - OPERATORS.keys() - CONSTANTS.keys())


def run_program(program: Program, samples: Array) -> list[Array]:
    """Outputs of a program with one input, float32 (samples, *shape without batch).

    `samples` is float32, (samples, *shape without batch).

    Raises:
        UserError: the program takes another shape, or has operators that are not computed.
    """
    one = compile_program(program)
    (source,) = _one_input(program)
    if tuple(samples.shape[1:]) != source.shape[1:] or source.shape[:1] != (1,):
        raise UserError(
            f"the program takes an input of shape {list(source.shape)}, the samples have "
            f"{[1, *samples.shape[1:]]}",
            remedy="is this the artifact of another model?",
        )
    batched = torch.vmap(lambda sample: tuple(one({source.name: sample[None]}).values()))

    def run_batch(start: int) -> list[Array]:
        batch = torch.from_numpy(np.array(samples[start : start + BATCH], np.float32))
        with torch.no_grad():
            return [result[:, 0].float().numpy() for result in batched(batch)]

    with _one_thread_each(), ThreadPoolExecutor(cores()) as pool:
        parts = list(pool.map(run_batch, range(0, len(samples), BATCH)))
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The batches are spread over the cores: torch's own threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _one_input(program: Program) -> tuple[TensorType, ...]:
    if len(program.inputs) != 1:
        raise UserError(f"the program takes {len(program.inputs)} tensors; one is supported")
    return program.inputs


def compile_program(program: Program) -> Callable[[Mapping[str, torch.Tensor]], Values]:
    """A function of one sample: tensors by input name -> tensors by output name.

    Raises:
        UserError: the program has operators that are not computed.
    """
    missing = unsupported(program)
    if missing:
        raise UserError(
            f"the interpreter does not compute {', '.join(missing)}",
            remedy="docs/backends/coreml.md lists the operators that it computes",
        )
    constants = _constants(program)
    steps = [step for step in program.operations if step.kind not in CONSTANTS]

    def run_one(inputs: Mapping[str, torch.Tensor]) -> Values:
        values: Values = {
            tensor.name: inputs[tensor.name].to(_TYPES[tensor.dtype]) for tensor in program.inputs
        }
        for step in steps:
            _carry_out(step, values, constants)
        return {tensor.name: values[tensor.name] for tensor in program.outputs}

    return run_one


def _constants(program: Program) -> Values:
    """Every constant as an operator's function wants it: floats as float64 tensors."""
    raw: Values = dict(program.constants)
    for operation in program.operations:
        if operation.kind in CONSTANTS:
            arguments = {key: raw[names[0]] for key, names in operation.inputs.items() if names}
            results = CONSTANTS[operation.kind](**arguments)
            results = results if isinstance(results, tuple) else (results,)
            for tensor, result in zip(operation.outputs, results, strict=True):
                is_half = tensor.dtype == "float16"
                raw[tensor.name] = result.astype(np.float16) if is_half else result
    return {name: _as_operand(value) for name, value in raw.items()}


def _as_operand(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        return torch.from_numpy(np.array(value, np.float64))
    return value


def _carry_out(step: Operation, values: Values, constants: Values) -> None:
    """Compute one operator in float64, and round its results to their declared types."""

    def operand(name: str) -> Any:
        if name in constants:
            return constants[name]
        value = values[name]
        return value.double() if value.is_floating_point() else value

    arguments = {
        key: tuple(map(operand, names)) if key == "values" else operand(names[0])
        for key, names in step.inputs.items()
    }
    results = OPERATORS[step.kind](**arguments)
    results = results if isinstance(results, tuple) else (results,)
    for tensor, result in zip(step.outputs, results, strict=True):
        if tuple(result.shape) != tensor.shape:
            raise UserError(
                f"{step.kind} makes {tensor.name} of shape {list(result.shape)}, "
                f"the program says {list(tensor.shape)}"
            )
        values[tensor.name] = result.to(_TYPES[tensor.dtype])
