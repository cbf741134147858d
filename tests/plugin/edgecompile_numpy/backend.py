"""`model.safetensors`: the constants of a hub, and its nodes as a list in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from edgecompile.backends.protocol import Inspection, OperatorFacts, Probe, TensorFacts
from edgecompile.evaluate.evidence import Evidence
from edgecompile.findings import Finding


class NumpyOptions(BaseModel):
    """The backend `numpy` has no options."""

    model_config = ConfigDict(extra="forbid")


class NumpyBackend:
    """NumPy as a toolchain."""

    name = "numpy"
    evidence = Evidence.REFERENCE
    main_file = "model.safetensors"
    options_schema = NumpyOptions

    def probe(self) -> Probe:
        return Probe.of_package("numpy")

    def check(self, hub: Any, target: Any, precision: str) -> list[Finding]:
        from edgecompile.graph.provenance import finding_at
        from edgecompile_numpy.interpreter import OPERATORS

        return [
            finding_at(node, "error", "numpy-operator", f"{node.op_type} is not written for NumPy")
            for node in hub.graph
            if node.op_type not in OPERATORS
        ]

    def lower(self, hub: Any, target: Any, folder: Path) -> None:
        from safetensors.numpy import save_file

        from edgecompile_numpy.interpreter import program_of

        program, constants = program_of(hub)
        save_file(constants, folder / self.main_file, {"program": json.dumps(program)})

    def run(self, artifact: Path, inputs: Any, options: Mapping[str, Any]) -> Sequence[Any]:
        from edgecompile_numpy.interpreter import execute, read

        return execute(*read(artifact), inputs)

    def estimate(self, hub: Any, artifact: Path, target: Any) -> Sequence[Any]:
        return ()

    def inspect(self, artifact: Path) -> Inspection:
        from edgecompile_numpy.interpreter import read

        program, constants = read(artifact)

        def tensor(name: str) -> TensorFacts:
            return TensorFacts(name, tuple(program["shapes"].get(name, ())), "float32")

        return Inspection(
            format="numpy",
            size_bytes=artifact.stat().st_size,
            weight_bytes=sum(array.nbytes for array in constants.values()),
            inputs=(tensor(program["input"]),),
            outputs=tuple(tensor(name) for name in program["outputs"]),
            operators=tuple(
                OperatorFacts(
                    node["operator"],
                    None,
                    tuple(tensor(name) for name in node["inputs"] if name not in constants),
                    (tensor(node["output"]),),
                )
                for node in program["nodes"]
            ),
        )
