"""What a recipe's `stages.prune.measure` means in figures, so that pruning knows no target."""

from __future__ import annotations

from dataclasses import asdict

from edgecompile.backends.roofline import least_seconds
from edgecompile.compress.prune.cost import Measure
from edgecompile.errors import UserError
from edgecompile.recipe.load import LoadedRecipe, load_target
from edgecompile.recipe.schema import Precision

_BYTES: dict[Precision, tuple[float, float]] = {
    "fp32": (4, 4),
    "fp16": (2, 2),
    "w8": (1, 4),
    "w4": (0.5, 4),
    "dynamic": (1, 4),
    "int8": (1, 1),
    "a16w8": (1, 2),
    "a8w4": (0.5, 1),
    "a16w4": (0.5, 2),
    "spiking": (1, 2),
}
"""Of one weight and of one activation."""


def pruning_measure(loaded: LoadedRecipe) -> dict[str, str | float]:
    """The fields of a `Measure`, as plain data.

    Raises:
        UserError: the measure is latency, and the target is unknown or publishes no peak.
    """
    stage = loaded.recipe.stages.prune
    assert stage is not None
    weight, activation = _BYTES[loaded.recipe.stages.quantize.precision]
    if stage.measure in ("macs", "parameters"):  # the same whatever the precision
        return asdict(Measure(stage.measure))
    if stage.measure == "memory" or stage.target is None:
        return asdict(Measure(stage.measure, weight, activation))
    place = loaded.locate("stages", "prune", "target")
    try:
        facts = load_target(stage.target).facts
    except UserError as error:
        error.location = error.location or place
        raise
    per_mac, per_byte = least_seconds(facts)
    if per_mac == per_byte == 0:
        raise UserError(
            f"the target {stage.target} publishes neither 'compute' nor 'bandwidth', so its least "
            "latency cannot be told",
            location=place,
            remedy="name another target, add the fact with its source, or take measure: macs",
        )
    return asdict(Measure("latency", weight, activation, per_mac, per_byte))
