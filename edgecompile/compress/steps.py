"""The compression steps of a build: one for each precision but fp32, which needs none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecompile.compress.improve import Tuning


def quantize_hub(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The float hub with its quantization decided -> hub.onnx, and grid.json: its output scales.

    The result says what was tried beyond plain post-training quantization, and which operators
    stayed in float.
    """
    import numpy as np

    from edgecompile.compress.quality import Judge
    from edgecompile.compress.quantize import Wishes, quantize_for_budget
    from edgecompile.compress.scheme import QuantScheme
    from edgecompile.graph.hub import load, save
    from edgecompile.graph.qdq import output_scales
    from edgecompile.recipe.schema import INTEGER_BITS

    samples = np.load(inputs["calibration_samples"], mmap_mode="r")
    labels = np.load(inputs["calibration_labels"], allow_pickle=False)
    chosen = _spread(samples, parameters["calibration_samples"])
    scheme = QuantScheme(
        parameters["scheme"], parameters["per_channel"], *INTEGER_BITS[parameters["precision"]]
    )
    hub = load(inputs["hub"])
    judge = Judge(hub, samples, labels, parameters["metric"], Path(parameters["recipe_folder"]))
    wishes = Wishes(**parameters["wishes"], tuning=_tuning(hub, inputs, parameters))
    quantized, account = quantize_for_budget(hub, chosen, scheme, judge, wishes)
    save(quantized, folder / "hub.onnx")
    grid = {"output_scales": output_scales(quantized)}
    (folder / "grid.json").write_text(json.dumps(grid), encoding="utf-8")
    return {"operators": len(quantized.graph), "calibration_samples": len(chosen), **account}


def _tuning(
    hub: ir.Model, inputs: Mapping[str, Path], parameters: Mapping[str, Any]
) -> Tuning | None:
    """Quantization-aware training with the recipe's options, where it has any."""
    options, metric = parameters["training"], parameters["metric"]
    if options is None:
        return None
    from edgecompile.compress.aware import fine_tune
    from edgecompile.compress.improve import Tuning
    from edgecompile.compress.quality import Judge
    from edgecompile.compress.training.data import held_out, training_data

    counted = metric if isinstance(metric, str) else metric["function"]
    training, unseen = held_out(training_data(inputs, "quantize", options, counted))
    return Tuning(
        lambda decision: fine_tune(decision, training, options["seed"]),
        lambda: Judge(hub, *unseen, metric, Path(parameters["recipe_folder"])),
    )


def narrow_hub(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The float hub with small weights and float arithmetic -> hub.onnx."""
    import numpy as np

    from edgecompile.compress.narrow import narrow
    from edgecompile.graph.hub import load, save

    calibration = None
    if "samples" in inputs:
        samples = np.load(inputs["samples"], mmap_mode="r")
        calibration = _spread(samples, parameters["calibration_samples"])
    hub = narrow(
        load(inputs["hub"]),
        parameters["precision"],
        per_channel=parameters["per_channel"],
        calibration=calibration,
    )
    save(hub, folder / "hub.onnx")
    return {"operators": len(hub.graph)}


def _spread(samples: Any, wanted: int) -> Any:
    import numpy as np

    from edgecompile.evaluate.dataset import spread

    return np.ascontiguousarray(samples[spread(len(samples), wanted)])
