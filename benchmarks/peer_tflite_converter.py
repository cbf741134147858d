"""The peer: the same model to int8 TFLite by onnxsim's exporter and TensorFlow's converter.

Run as a script of its own, so that its CPU time holds everything it needs:
`python -m benchmarks.peer_tflite_converter RECIPE OUT.tflite`. The same calibration samples, the
same evaluation of the PyTorch module and of the file; prints one JSON line.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.inputs import load_module, load_split
from edgecompile.evaluate.dataset import spread
from edgecompile.evaluate.outputs import as_arrays
from edgecompile.evaluate.scoring import score
from edgecompile.formats.tflite.run import run_tflite
from edgecompile.recipe.load import load_recipe


def main(recipe: str, result: Path) -> None:
    """Convert, evaluate, print the metric of both."""
    loaded = load_recipe(recipe)
    work = result.parent
    calibration, _ = load_split(loaded, "calibration", work)
    samples, labels = load_split(loaded, "evaluation", work)
    module = load_module(loaded)
    wanted = loaded.recipe.stages.quantize.calibration_samples
    chosen = calibration[spread(len(calibration), wanted)]
    # Both libraries print on stdout.
    with contextlib.redirect_stdout(io.StringIO()):
        result.write_bytes(_convert(module, loaded.recipe.model.input.shape, chosen))
    torch.set_num_threads(1)
    with torch.inference_mode():
        batches = [
            as_arrays(module(torch.from_numpy(samples[start : start + 64])))
            for start in range(0, len(samples), 64)
        ]
    baseline = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    outputs = run_tflite(result, samples, "xnnpack")
    measured = {
        name: score(loaded.recipe.metric, arrays, labels, samples, loaded.folder)
        for name, arrays in (("pytorch", baseline), ("int8", outputs))
    }
    print(json.dumps({**measured, "bytes": result.stat().st_size}))


def _convert(module: torch.nn.Module, shape: list[int], calibration: np.ndarray) -> bytes:
    import onnxsim
    from onnxsim.tflite_export import convert_to_tflite

    exported = torch.onnx.export(
        module, (torch.zeros(shape),), dynamo=True, opset_version=20, verbose=False
    )
    simplified, _ = onnxsim.simplify(exported.model_proto)

    def representative() -> Iterator[list[np.ndarray]]:
        for sample in calibration:
            batch = sample[None]
            yield [batch.transpose(0, 2, 3, 1) if batch.ndim == 4 else batch]

    content: bytes = convert_to_tflite(
        simplified,
        int8_quantize=True,
        representative_dataset=representative,
        inference_io_dtype="int8",
        io_layout="nhwc",
    )
    return content


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
