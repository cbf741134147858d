"""A package as a folder: the same bytes each time, and damage is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.coreml.backend import CoreMLBackend
from edgecompile.backends.coreml.package import open_package
from edgecompile.compress.scheme import QuantScheme
from edgecompile.digest import digest_path
from edgecompile.errors import TargetCannotRun, UserError
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.recipe.target import Target
from tests.hubs import hub_of, quickly_quantized, samples_for

TARGET = Target(
    name="phone", title="a phone", backend="coreml", precisions=["int8"], scheme="symmetric"
)
HUB = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) y = GlobalAveragePool(r)",
    "float[8,3,3,3] w, float[8] b",
)


def lowered(folder: Path) -> Path:
    folder.mkdir()
    hub = quickly_quantized(HUB, samples_for(HUB), QuantScheme("symmetric"))
    CoreMLBackend().lower(hub, TARGET, folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lowered(tmp_path_factory.mktemp("built") / "phone")


@pytest.fixture
def package(built: Path, tmp_path: Path) -> Path:
    """A copy of the package, to be damaged."""
    return Path(shutil.copytree(built / "model.mlpackage", tmp_path / "model.mlpackage"))


def test_the_same_hub_gives_the_same_bytes(built, tmp_path):
    again = lowered(tmp_path / "phone")
    assert digest_path(again) == digest_path(built)


def test_a_package_holds_no_date_and_no_random_identifier(built):
    message = open_package(built / "model.mlpackage").message
    assert not any("date" in key for key in message.description.metadata.userDefined)


def test_the_bundle_says_how_to_load_and_how_to_measure(built):
    names = {path.name for path in built.iterdir()}
    assert names == {"model.mlpackage", "validate_on_mac.py", "Predict.swift", "coreml.json"}
    swift = (built / "Predict.swift").read_text()
    assert ".cpuAndNeuralEngine" in swift
    assert "[1, 3, 8, 8]" in swift
    assert json.loads((built / "coreml.json").read_text())["deployment"] == "iOS17"


def test_an_inspection_shows_types_and_scales(built):
    facts = CoreMLBackend().inspect(built / "model.mlpackage")
    assert [tensor.dtype for tensor in (*facts.inputs, *facts.outputs)] == ["float16"] * 2
    first = facts.operators[0]
    assert (first.name, first.outputs[0].dtype, len(first.outputs[0].scale)) == (
        "quantize",
        "int8",
        1,
    )
    assert 0 < facts.weight_bytes < facts.size_bytes


def test_coremltools_reads_the_package_and_means_the_same(built, tmp_path):
    """The program that we read by ourselves is the one that coremltools loads."""
    from tests.backends.coreml.many import operators_by_coremltools

    facts = CoreMLBackend().inspect(built / "model.mlpackage")
    found = operators_by_coremltools(built / "model.mlpackage", tmp_path)
    assert [operator.name for operator in facts.operators] == found


@pytest.mark.parametrize("name", ["Manifest.json", "model.mlmodel", "weight.bin"])
def test_a_file_that_is_cut_short_is_told(package, name):
    (file,) = package.rglob(name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError):
        CoreMLBackend().inspect(package)


def test_a_manifest_cannot_name_a_file_outside(package):
    manifest = json.loads((package / "Manifest.json").read_text())
    root = manifest["rootModelIdentifier"]
    manifest["itemInfoEntries"][root]["path"] = "../../../../etc/passwd"
    (package / "Manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="outside"):
        CoreMLBackend().inspect(package)


def test_samples_of_another_shape_are_told(built):
    with pytest.raises(UserError, match="the samples have"):
        CoreMLBackend().run(built / "model.mlpackage", np.zeros((2, 3, 4, 4), np.float32), {})


def test_a_scale_that_is_0_in_float16_is_refused_at_once(tmp_path):
    hub = hub_of(
        "float[1,4] x",
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        "float s = {1e-9}, int8 z = {0}",
    )
    with pytest.raises(TargetCannotRun, match="0 in float16"):
        CoreMLBackend().lower(hub, TARGET, tmp_path)


def test_a_channel_without_weights_keeps_its_neighbours_exact(tmp_path):
    """Its scale is tiny, and would be 0 in float16, which Core ML refuses."""
    hub = hub_of("float[1,4] x", "y = MatMul(x, w)", "float[4,3] w")
    import onnx_ir as ir

    value = hub.graph.initializers["w"]
    array = np.array(value.const_value.numpy())
    array[:, 1] = 0
    value.const_value = ir.tensor(array, name="w")
    from edgecompile.compress.narrow import quantize_weights

    small = quantize_weights(hub, per_channel=True)
    CoreMLBackend().lower(small, TARGET, tmp_path)
    samples = samples_for(hub)
    (found,) = CoreMLBackend().run(tmp_path / "model.mlpackage", samples, {})
    (expected,) = run_onnx(serialize(small), samples)
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert not found[:, 1].any()
