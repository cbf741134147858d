"""The execution provider's account of a compilation: what became of each node, what it refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})
_RENAMED = re.compile(r"_token_\d+$")
"""What ONNX Runtime appends to the name of a node that it changed."""
_INVALID = re.compile(
    r"backendValidateOpConfig\(\) failed for node `(.+?)` of type `(.+?)` with error code (\d+)"
)

_UNSUPPORTED = re.compile(r"\{ name: (.+?), type: (.+?) \}")


@dataclass(frozen=True)
class Refusal:
    """A node that the tensor processor does not take. `node` is its name in the hub."""

    node: str
    op_type: str
    reason: str


@dataclass(frozen=True)
class Trace:
    """`operators` are the types of the QNN operators, in order; one graph if nothing is split."""

    refusals: tuple[Refusal, ...]
    operators: tuple[str, ...]
    graphs: int


def read_trace(file: Path, said: str = "") -> Trace:
    """The trace in `file`; `said` is what the library wrote on stderr, where reasons may be.

    Quantization around a refused operator is refused with it and is left out, unless nothing else
    is refused.

    Raises:
        ValueError, KeyError, TypeError: the file is no trace.
    """
    body = json.loads(file.read_bytes())
    codes = {_hub_name(node): (kind, code) for node, kind, code in _INVALID.findall(said)}
    refusals = [
        Refusal(_hub_name(entry["node_name"]), entry["op_type"], _reason(entry, codes))
        for entry in body["unsupported_nodes"]
    ]
    return Trace(
        tuple([r for r in refusals if r.op_type not in _PAIR] or refusals),
        operators_in(body["subgraph_traces"]),
        body["summary"]["qnn_subgraphs"],
    )


def refusals_said(said: str) -> tuple[Refusal, ...]:
    """The refusals by the library's log alone: of a graph that it takes nothing of it writes no
    trace."""
    lines = [line for line in said.splitlines() if "Unsupported nodes in QNN EP" in line]
    return tuple(
        Refusal(_hub_name(node), kind, "the library has no such operator")
        for line in lines
        for node, kind in _UNSUPPORTED.findall(line)
        if kind not in _PAIR
    )


def operators_in(subgraphs: Sequence[dict[str, list[dict[str, str]]]]) -> tuple[str, ...]:
    """The QNN operator types of a trace's subgraphs."""
    return tuple(op["dst_qnn_op_type"] for graph in subgraphs for op in graph["op_mappings"])


def _hub_name(name: str) -> str:
    return _RENAMED.sub("", name)


def _reason(entry: dict[str, str], codes: dict[str, tuple[str, str]]) -> str:
    kind, code = codes.get(_hub_name(entry["node_name"]), ("", ""))
    if code:
        return f"the tensor processor's {kind} does not take these types or shapes (code {code})"
    return entry["reason"].rstrip(".")
