"""Run model.mlpackage with Core ML on this Mac: outputs, latency, and which processor runs what.

    pip install coremltools numpy
    python validate_on_mac.py samples.npy

`samples.npy` comes from `edgecompile eval FOLDER -r RECIPE --export samples.npy`. Leaves
result.json and result.npz, for `edgecompile eval FOLDER -r RECIPE --import result.json`.

This file is part of an artifact of edgecompile. It imports nothing of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

PACKAGE = "model.mlpackage"
WARM_UP, RUNS = 20, 200
UNITS = {
    "all": "ALL",
    "cpuAndNeuralEngine": "CPU_AND_NE",
    "cpuAndGPU": "CPU_AND_GPU",
    "cpuOnly": "CPU_ONLY",
}


def main(arguments: list[str]) -> None:
    """Write result.json and result.npz beside the samples."""
    import coremltools as ct
    import numpy as np

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("samples", type=Path)
    parser.add_argument("--compute-units", choices=UNITS, default=default_units())
    chosen = parser.parse_args(arguments)
    package = Path(__file__).resolve().parent / PACKAGE
    units = getattr(ct.ComputeUnit, UNITS[chosen.compute_units])
    model = ct.models.MLModel(str(package), compute_units=units)
    description = model.get_spec().description
    name = description.input[0].name
    results = [output.name for output in description.output]
    samples = np.load(chosen.samples)

    def predict(sample: Any) -> list[Any]:
        made = model.predict({name: sample[None]})
        return [np.asarray(made[result], np.float32)[0] for result in results]

    rows = [predict(sample) for sample in samples]
    outputs = chosen.samples.with_name("result.npz")
    columns = zip(*rows, strict=True)
    arrays: dict[str, Any] = {f"output{i}": np.stack(c) for i, c in enumerate(columns)}
    np.savez(outputs, **arrays)
    body = {
        "format": "edgecompile.device-result/1",
        "artifact": digest_folder(package),
        "samples": digest_file(chosen.samples),
        "outputs": outputs.name,
        "outputs_sha256": digest_file(outputs),
        "device": f"{platform.machine()} {platform.processor()}",
        "system": f"macOS {platform.mac_ver()[0]}",
        "tools": {"coremltools": ct.__version__, "numpy": np.__version__},
        "settings": {"compute_units": chosen.compute_units},
        "latency_ms": latency(lambda: predict(samples[0])),
        "placement": placement(model, units),
    }
    result = chosen.samples.with_name("result.json")
    result.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"wrote {result} and {outputs}", file=sys.stderr)


def default_units() -> str:
    """The compute units that the target asks for."""
    beside = Path(__file__).resolve().parent / "coreml.json"
    if not beside.is_file():
        return "all"
    return str(json.loads(beside.read_text(encoding="utf-8"))["compute_units"])


def latency(run: Any) -> dict[str, float | int]:
    """Percentiles in milliseconds; what Python itself takes is part of them."""
    for _ in range(WARM_UP):
        run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    figures = {f"p{p}": times[min(RUNS - 1, RUNS * p // 100)] for p in (50, 90, 99)}
    return {**figures, "runs": RUNS}


def placement(model: Any, units: Any) -> dict[str, int]:
    """How many operators MLComputePlan puts on which processor (macOS 14.4 and later)."""
    from coremltools.models.compute_plan import MLComputePlan

    compiled = model.get_compiled_model_path()
    plan = MLComputePlan.load_from_path(path=compiled, compute_units=units)
    program = plan.model_structure.program
    if program is None:
        return {}
    found: Counter[str] = Counter()
    for operation in program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is not None:  # constants have none
            device = type(usage.preferred_compute_device).__name__
            found[device.removeprefix("ML").removesuffix("ComputeDevice")] += 1
    return dict(sorted(found.items()))


def digest_file(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_folder(folder: Path) -> str:
    """The digest that edgecompile gives a folder: of its files' digests by relative name."""
    files = {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".DS_Store"
    }
    text = json.dumps(files, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
