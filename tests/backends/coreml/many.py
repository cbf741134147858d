"""Many hubs to packages in one process with coremltools, which takes seconds to import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.coreml.convert import (
    REMOVED_PASSES,
    build_package,
    import_coremltools,
)
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
    import_coremltools()
    for number, how in json.loads(Path(folder, "orders.json").read_text()).values():
        build_package(
            load(Path(folder, f"{number}.onnx")),
            Path(folder, f"{number}.mlpackage"),
            half=how["half"],
            deployment=how["deployment"],
            removed=REMOVED_PASSES - set(how["keep"]),
        )


def operators_by_coremltools(package: Path, folder: Path) -> list[str]:
    """The kinds of a package's operators as coremltools loads them, constants left out."""
    result = folder / "operators.json"
    ended = run_isolated(
        _load, str(package), str(result), tool="coremltools", seconds=SECONDS, folder=folder
    )
    if not ended.succeeded:
        raise ended.failure()
    found: list[str] = json.loads(result.read_text())
    return found


def _load(package: str, result: str) -> None:
    import_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load as load_program

    model = ct.models.MLModel(package, skip_model_load=True)
    spec = model.get_spec()
    program = load_program(spec, spec.specificationVersion, model.weights_dir)
    operations = program.functions["main"].operations
    kinds = [o.op_type for o in operations if o.op_type != "const"]
    Path(result).write_text(json.dumps(kinds))
