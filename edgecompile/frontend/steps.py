"""The frontend's steps of a build: the PyTorch baseline and the export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASELINE_BATCH = 64
"""Fixed, as is the thread count: sums in another order would change the last bit of an output."""


def run_baseline(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Outputs of the user's module, pruned or not, on each evaluation sample -> outputs.npz."""
    import numpy as np
    import torch

    from edgecompile.errors import UserError
    from edgecompile.evaluate.evidence import Evidence
    from edgecompile.evaluate.outputs import (
        as_arrays,
        not_finite,
        save_outputs,
        stack_outputs,
    )
    from edgecompile.frontend.pruned import load_module
    from edgecompile.recipe.user_code import blaming

    recipe_folder = Path(parameters["recipe_folder"])
    module = load_module(
        parameters["source"], inputs.get("weights"), inputs.get("pruned"), recipe_folder
    )
    samples = np.load(inputs["samples"], mmap_mode="r")
    torch.set_num_threads(1)
    batches = []
    with blaming(recipe_folder, "running the module failed"), torch.inference_mode():
        for start in range(0, len(samples), BASELINE_BATCH):
            batch = np.array(samples[start : start + BASELINE_BATCH])
            batches.append(as_arrays(module(torch.from_numpy(batch))))
    outputs = stack_outputs(batches, len(samples))
    sample = not_finite(outputs)
    if sample is not None:
        raise UserError(
            f"the module's outputs hold NaN or infinity, first for evaluation sample {sample}",
            remedy="the weights, or what data.prepare makes of the samples, are wrong",
        )
    save_outputs(folder / "outputs.npz", outputs)
    return {
        "evidence": str(Evidence.PYTORCH),
        "parameters": sum(p.numel() for p in module.parameters()),
        "parameter_bytes": sum(p.numel() * p.element_size() for p in module.parameters()),
    }


def export(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The module as ONNX, opset 20 -> model.onnx."""
    from edgecompile.frontend.export import export_onnx
    from edgecompile.frontend.lines import line_table
    from edgecompile.frontend.pruned import load_module
    from edgecompile.graph.hub import save
    from edgecompile.graph.provenance import SOURCE_KEY

    recipe_folder = Path(parameters["recipe_folder"])
    module = load_module(
        parameters["source"], inputs.get("weights"), inputs.get("pruned"), recipe_folder
    )
    model = export_onnx(module, list(parameters["shape"]), recipe_folder)
    save(model, folder / "model.onnx")
    places = {n.metadata_props.get(SOURCE_KEY, "") for n in model.graph.all_nodes()}
    files = sorted({place.rpartition(":")[0] for place in places if place})
    tables = {
        file: line_table((recipe_folder / file).read_text(encoding="utf-8"))
        for file in files
        if (recipe_folder / file).is_file()
    }
    return {"operators": len(model.graph), "lines": tables}
