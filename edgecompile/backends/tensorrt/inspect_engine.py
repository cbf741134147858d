"""An engine in the words of every artifact: its fused layers, as the compiler listed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecompile.backends.tensorrt.engine import read_engine
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts

_BYTES = {"Int8": 1, "Half": 2, "BFloat16": 2, "Float": 4, "Int32": 4, "Int64": 8, "Bool": 1}


def inspect_engine(path: Path) -> Inspection:
    """Layers, borders and constants of an engine.

    Raises:
        UserError: the list of its layers is not beside it.
    """
    engine = read_engine(path)
    made = {t["name"] for layer in engine.layers for t in layer["outputs"]}
    read = {t["name"] for layer in engine.layers for t in layer["inputs"]}
    constants = {t["name"]: t for layer in engine.layers for t in layer["constants"]}
    return Inspection(
        format=f"{engine.compiler} engine for compute capability {engine.compute_capability}",
        size_bytes=path.stat().st_size,
        weight_bytes=sum(
            math.prod(t["shape"]) * _BYTES.get(t["dtype"], 0) for t in constants.values()
        ),
        inputs=_once([t for x in engine.layers for t in x["inputs"] if t["name"] not in made]),
        outputs=_once([t for x in engine.layers for t in x["outputs"] if t["name"] not in read]),
        operators=tuple(
            OperatorFacts(
                layer["type"], None, _tensors(layer["inputs"]), _tensors(layer["outputs"])
            )
            for layer in engine.layers
        ),
    )


def _once(tensors: Sequence[dict[str, Any]]) -> tuple[TensorFacts, ...]:
    return _tensors(list({t["name"]: t for t in tensors}.values()))


def _tensors(tensors: Sequence[dict[str, Any]]) -> tuple[TensorFacts, ...]:
    return tuple(TensorFacts(t["name"], tuple(t["shape"]), t["dtype"].lower()) for t in tensors)
