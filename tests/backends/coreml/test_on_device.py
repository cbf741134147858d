"""The script for a Mac, with a stand-in for coremltools: its result is one that we accept."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecompile.backends.coreml.on_device import validate_on_mac
from edgecompile.digest import digest_path
from edgecompile.evaluate.device import read_device_result


class Model:
    """Doubles what it gets."""

    def __init__(self, package: str, compute_units: str) -> None:
        self.compute_units = compute_units

    def get_spec(self) -> Any:
        def named(name: str) -> Any:
            return SimpleNamespace(name=name)

        description = SimpleNamespace(input=[named("x")], output=[named("y")])
        return SimpleNamespace(description=description)

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"y": features["x"].astype(np.float16) * 2}

    def get_compiled_model_path(self) -> str:
        return "compiled"


class MLNeuralEngineComputeDevice:
    """By its name it is counted."""


class Plan:
    """Two operators for the Neural Engine, and a constant."""

    @classmethod
    def load_from_path(cls, path: str, compute_units: str) -> Plan:
        return cls()

    operations = ("conv", "relu", "const")
    model_structure = SimpleNamespace(
        program=SimpleNamespace(
            functions={"main": SimpleNamespace(block=SimpleNamespace(operations=operations))}
        )
    )

    def get_compute_device_usage_for_mlprogram_operation(self, operation: str) -> Any:
        if operation == "const":
            return None
        return SimpleNamespace(preferred_compute_device=MLNeuralEngineComputeDevice())


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    coremltools = ModuleType("coremltools")
    coremltools.__version__ = "9.0"
    coremltools.ComputeUnit = SimpleNamespace(CPU_AND_NE="ne", ALL="all")
    coremltools.models = SimpleNamespace(MLModel=Model)
    plans = ModuleType("coremltools.models.compute_plan")
    plans.MLComputePlan = Plan
    for name, module in (
        ("coremltools", coremltools),
        ("coremltools.models", ModuleType("coremltools.models")),
        ("coremltools.models.compute_plan", plans),
    ):
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundle"
    (folder / "model.mlpackage" / "Data").mkdir(parents=True)
    (folder / "model.mlpackage" / "Manifest.json").write_text("{}")
    (folder / "model.mlpackage" / "Data" / "weights").write_bytes(b"123")
    (folder / "coreml.json").write_text('{"compute_units": "cpuAndNeuralEngine"}')
    shutil.copy(validate_on_mac.__file__, folder)
    monkeypatch.setattr(validate_on_mac, "__file__", str(folder / "validate_on_mac.py"))
    return folder


def test_the_script_leaves_a_result_that_is_accepted(mac, bundle, tmp_path):
    samples = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "samples.npy", samples)
    validate_on_mac.main([str(tmp_path / "samples.npy")])
    result = read_device_result(tmp_path / "result.json")
    assert result.artifact == digest_path(bundle / "model.mlpackage")
    assert result.settings == {"compute_units": "cpuAndNeuralEngine"}
    assert result.placement == {"NeuralEngine": 2}
    assert result.latency_ms is not None
    assert result.latency_ms.p50 <= result.latency_ms.p99
    with np.load(tmp_path / result.outputs) as outputs:
        np.testing.assert_array_equal(outputs["output0"], samples * 2)


def test_files_that_finder_leaves_do_not_change_the_digest(bundle):
    before = validate_on_mac.digest_folder(bundle / "model.mlpackage")
    (bundle / "model.mlpackage" / ".DS_Store").write_bytes(b"finder")
    assert validate_on_mac.digest_folder(bundle / "model.mlpackage") == before


def test_the_script_imports_nothing_of_edgecompile():
    text = Path(validate_on_mac.__file__).read_text()
    assert "import edgecompile" not in text
    assert "from edgecompile" not in text
    assert json.dumps("edgecompile.device-result/1") in text
