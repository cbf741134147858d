"""A stand-in of trtexec, for tests only: the flags of each generation, ONNX Runtime for the rest.

It takes the flags that a release of TensorRT takes and no other, refuses what is not valid ONNX or
breaks a rule of TensorRT, and writes files of the forms that trtexec writes. It proves the scripts
of a bundle, and nothing about a Jetson.

    STANDIN_RELEASE=10.3 python trtexec_standin.py --onnx=model.onnx --saveEngine=model.engine
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

COMMON = {
    *("--onnx", "--saveEngine", "--loadEngine", "--memPoolSize", "--timingCacheFile", "--help"),
    *("--profilingVerbosity", "--exportLayerInfo", "--dumpLayerInfo", "--verbose", "--noTF32"),
    *("--loadInputs", "--exportOutput", "--exportTimes", "--iterations", "--duration", "--warmUp"),
    *("--avgRuns", "--sparsity", "--useCudaGraph", "--shapes", "--device"),
}
WEAK = {"--int8", "--fp16", "--best"}
FLAGS = {
    "8.5": COMMON | WEAK | {"--buildOnly"},
    "8.6": COMMON | WEAK | {"--skipInference"},
    "10.3": COMMON | WEAK | {"--skipInference", "--stronglyTyped"},
    "10.13": COMMON | WEAK | {"--skipInference", "--stronglyTyped"},
    "11.0": COMMON | {"--skipInference", "--stronglyTyped"},
}
"""From trtexec's sources, github.com/NVIDIA/TensorRT, samples/common/sampleOptions.cpp: strong
types came with 9.0 and weak ones went with 11.0; --skipInference replaced --buildOnly in 8.6."""

MAGIC = b"stand-in of an engine\n"


def main(arguments: list[str]) -> int:
    release = os.environ["STANDIN_RELEASE"]
    print(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number(release)}] # trtexec")
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if "--help" in given:
        print("\n".join(f"  {flag}=spec    as in {release}" for flag in sorted(FLAGS[release])))
        return 0
    unknown = set(given) - FLAGS[release]
    if unknown:
        print(f"[E] Unknown option: {' '.join(sorted(unknown))}")
        return 1
    Path("given.json").write_text(json.dumps(arguments))
    failure = build(given, release) if "--onnx" in given else infer(given)
    print("&&&& " + ("FAILED" if failure else "PASSED") + f" {failure or ''}")
    return 1 if failure else 0


def number(release: str) -> str:
    """10.3 is v100300, 8.6 was v8600."""
    major, minor = map(int, release.split("."))
    return f"{major}{minor:02}00" if major >= 10 else f"{major}{minor}00"


def build(given: dict[str, str], release: str) -> str | None:
    from edgecompile.backends.tensorrt.rules import broken_rules
    from edgecompile.errors import UserError
    from edgecompile.graph.hub import load

    path = Path(given["--onnx"])
    try:
        broken = [f for f in broken_rules(load(path), "tensorrt") if f.level == "error"]
    except UserError as error:
        return str(error)
    if broken:
        return broken[0].message
    quantized = any(n.op_type == "QuantizeLinear" for n in load(path).graph)
    if quantized and release in {"8.5", "8.6"} and "--int8" not in given:
        return "networks with Q/DQ need int8"
    Path(given["--saveEngine"]).write_bytes(MAGIC + path.read_bytes())
    Path(given["--exportLayerInfo"]).write_text(json.dumps({"Layers": ["stand-in"]}))
    cache = Path(given["--timingCacheFile"])
    print("[I] timing cache " + ("loaded" if cache.is_file() else "written"))
    cache.write_bytes(hashlib.sha256(path.read_bytes()).digest())
    return None


def infer(given: dict[str, str]) -> str | None:
    import numpy as np
    import onnxruntime as ort

    engine = Path(given["--loadEngine"]).read_bytes()
    if not engine.startswith(MAGIC):
        return "the engine was built by another TensorRT"
    session = ort.InferenceSession(engine.removeprefix(MAGIC), providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    name, _, file = given["--loadInputs"].partition(":")
    data = np.fromfile(file, np.float32)
    if name != wanted.name or data.size != np.prod(wanted.shape):
        return f"input {name} does not fit"
    outputs = session.run(None, {name: data.reshape(wanted.shape)})
    error = float(os.environ.get("STANDIN_ERROR", "0"))
    if "--exportOutput" in given:
        body = [
            {
                "name": o.name,
                "dimensions": "x".join(map(str, value.shape)),
                "values": [float(v) + error for v in value.ravel()],
            }
            for o, value in zip(session.get_outputs(), outputs, strict=True)
        ]
        Path(given["--exportOutput"]).write_text(json.dumps(body))
    if "--exportTimes" in given:
        # Two in a hundred are slow: the percentiles are known.
        rows = [{"latencyMs": 9.0 if i % 50 == 0 else 1.0, "computeMs": 0.5} for i in range(200)]
        Path(given["--exportTimes"]).write_text(json.dumps(rows))
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
