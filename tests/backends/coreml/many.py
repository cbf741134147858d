"""Many hubs to packages in one process with coremltools, which takes seconds to import."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
from edgecompile.graph.hub import load, save

SECONDS = 600


@dataclass(frozen=True)
class Order:
    """A hub, and how it is to be converted."""

    hub: ir.Model
    half: bool = False
    deployment: str = "iOS17"
    keep: tuple[str, ...] = ()
    """Passes of coremltools that our pipeline leaves out, and this one not."""


def convert_many(orders: Mapping[str, Order], folder: Path) -> dict[str, Path]:
    """A package for each order, by its name."""
    settings = {}
    for number, (name, order) in enumerate(orders.items()):
        save(order.hub, folder / f"{number}.onnx")
        settings[name] = (number, _plain(order))
    (folder / "orders.json").write_text(json.dumps(settings))
    ended = run_isolated(_convert, str(folder), tool="coremltools", seconds=SECONDS, folder=folder)
    if not ended.succeeded:
        raise ended.failure()
    return {name: folder / f"{number}.mlpackage" for name, (number, _) in settings.items()}


def _plain(order: Order) -> dict[str, object]:
    return {"half": order.half, "deployment": order.deployment, "keep": list(order.keep)}


def _convert(folder: str) -> None:
    sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]
    from edgecompile.backends.coreml.convert import REMOVED_PASSES, build_package

    for number, how in json.loads(Path(folder, "orders.json").read_text()).values():
        build_package(
            load(Path(folder, f"{number}.onnx")),
            Path(folder, f"{number}.mlpackage"),
            half=how["half"],
            deployment=how["deployment"],
            removed=REMOVED_PASSES - set(how["keep"]),
        )
