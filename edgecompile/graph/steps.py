"""The hub's step of a build: the exported graph, simplified."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def simplify_hub(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The exported model with constants folded and needless operators gone -> hub.onnx."""
    from edgecompile.graph.hub import load, save
    from edgecompile.graph.simplify import simplify

    hub = simplify(load(inputs["model"]))
    save(hub, folder / "hub.onnx")
    return {"operators": len(hub.graph)}
