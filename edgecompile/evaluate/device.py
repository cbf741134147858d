"""What a device measured, brought back in a file.

A build cannot reach the device. What can (a script in the artifact's folder, a board's own tool)
writes two files: the outputs of the artifact on the recipe's evaluation samples, as an .npz with
`output0`, `output1` ..., and beside it a JSON file of this schema. The metric is computed here,
from the outputs: a figure that somebody else computed is no evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from edgecompile.errors import Location, UserError
from edgecompile.evaluate.evidence import Evidence
from edgecompile.recipe.validation import Strict, validate

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Latency(Strict):
    """Milliseconds of one inference, over `runs` after a warm-up."""

    p50: Annotated[float, Field(gt=0)]
    p90: Annotated[float, Field(gt=0)]
    p99: Annotated[float, Field(gt=0)]
    runs: Annotated[int, Field(ge=1)]


class DeviceResult(Strict):
    """One run of one artifact on one device."""

    format: Literal["edgecompile.device-result/1"]
    artifact: Sha256
    """Digest of the artifact's main file, or of the folder that it is."""
    samples: Sha256
    """Digest of the file that `edgecompile eval --export` wrote."""
    outputs: str
    """Name of the .npz beside this file; one row of each output for each sample, float32, in the
    model's own layout."""
    outputs_sha256: Sha256
    device: str
    system: str
    """Operating system or firmware, with its version."""
    tools: dict[str, str]
    """Versions of what ran the artifact."""
    settings: dict[str, str] = {}
    """How it was loaded: compute units, clock, power mode ..."""
    latency_ms: Latency | None = None
    placement: dict[str, int] = {}
    """Number of operators by the processor that the device chose for them."""


def read_device_result(file: Path) -> DeviceResult:
    """Read a result; its outputs must lie beside it.

    Raises:
        UserError: it is not of the schema, or names a file that is not beside it or has other
            bytes.
    """
    from edgecompile.digest import digest_file

    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{file.name} is not JSON: {error}") from None
    result = validate(DeviceResult, body, lambda path: Location(file.name))
    outputs = file.parent / result.outputs
    if outputs.name != result.outputs or not outputs.is_file():
        raise UserError(f"the outputs {result.outputs} of {file.name} are not beside it")
    if digest_file(outputs) != result.outputs_sha256:
        raise UserError(f"{result.outputs} is not the file that {file.name} describes")
    return result


def import_outputs(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Step: outputs from a device on every evaluation sample -> outputs.npz."""
    import numpy as np

    from edgecompile.digest import digest_file
    from edgecompile.evaluate.outputs import load_outputs, save_outputs

    if digest_file(inputs["samples"]) != parameters["samples"]:
        raise UserError(
            "the device ran other samples than the recipe's evaluation data",
            remedy="write them anew with `edgecompile eval --export`, and run the device again",
        )
    count = len(np.load(inputs["samples"], mmap_mode="r"))
    try:
        outputs = load_outputs(inputs["outputs"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the device's outputs cannot be read: {error}") from None
    if not outputs or any(len(output) != count for output in outputs):
        raise UserError(f"the device's outputs are not one row for each of {count} samples")
    save_outputs(folder / "outputs.npz", outputs)
    return {"samples": count, "evidence": str(Evidence.DEVICE)}
