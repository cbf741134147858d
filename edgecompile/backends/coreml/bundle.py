"""What lies beside a package: how to load it, and how to measure it on Apple's systems."""

from __future__ import annotations

import json
from pathlib import Path

from edgecompile.backends.coreml.on_device import validate_on_mac
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.backends.coreml.program import Tensor, read_program

_SWIFT_TYPES = {"float16": ("float16", "Float16"), "float32": ("float32", "Float")}

_SWIFT = """\
// Loads {package} and runs it once. Made by edgecompile.
// Add {package} to an Xcode project: it makes model.mlmodelc of it.
import CoreML

func predict(_ values: [{swift}]) throws -> MLMultiArray {{
    let configuration = MLModelConfiguration()
    configuration.computeUnits = .{units}
    let url = Bundle.main.url(forResource: "model", withExtension: "mlmodelc")!
    let model = try MLModel(contentsOf: url, configuration: configuration)

    let input = try MLMultiArray(shape: {shape}, dataType: .{dtype})
    input.withUnsafeMutableBufferPointer(ofType: {swift}.self) {{ buffer, _ in
        for (index, value) in values.enumerated() {{ buffer[index] = value }}
    }}
    let features = try MLDictionaryFeatureProvider(dictionary: ["{input}": input])
    return try model.prediction(from: features).featureValue(for: "{output}")!.multiArrayValue!
}}
"""


def write_bundle(package: Path, options: CoreMLOptions, folder: Path) -> None:
    """Write `validate_on_mac.py`, `Predict.swift` and `coreml.json` into `folder`."""
    program = read_program(package)
    source = Path(validate_on_mac.__file__).read_bytes()
    (folder / "validate_on_mac.py").write_bytes(source)
    swift = _swift(package.name, program.inputs[0], program.outputs[0], options)
    (folder / "Predict.swift").write_text(swift, encoding="utf-8")
    settings = {"compute_units": options.compute_units, "deployment": options.deployment}
    text = json.dumps(settings, indent=2, sort_keys=True)
    (folder / "coreml.json").write_text(f"{text}\n", encoding="utf-8")


def _swift(package: str, source: Tensor, result: Tensor, options: CoreMLOptions) -> str:
    dtype, swift = _SWIFT_TYPES[source.dtype]
    return _SWIFT.format(
        package=package,
        units=options.compute_units,
        shape=list(source.shape),
        dtype=dtype,
        swift=swift,
        input=source.name,
        output=result.name,
    )
