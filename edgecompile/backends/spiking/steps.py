"""The step that all spiking targets share: the float hub with thresholds for its activations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def spike(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """The hub as conv, linear, pool and add with a clip at each threshold -> hub.onnx; and which
    sample decided what -> split.npz.

    Raises:
        TargetCannotRun: an operator has no form in spiking neurons, or a pool takes the maximum
            and there are no data to train its average with.
    """
    from edgecompile.backends.spiking.decide import decide
    from edgecompile.backends.spiking.writing import write_hub
    from edgecompile.backends.tuning import read_data
    from edgecompile.graph.hub import load, save

    reference = load(inputs["reference"])
    network, split, account = decide(reference, read_data(inputs), parameters)
    hub = write_hub(network)
    save(hub, folder / "hub.onnx")
    split.save(folder / "split.npz")
    return {"operators": len(hub.graph), "spiking": account}
