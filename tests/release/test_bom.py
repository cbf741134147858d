"""`edgecompile bom`: a CycloneDX document that other tools read, the same on any day."""

from __future__ import annotations

import json

import pytest

from edgecompile.digest import digest_file
from edgecompile.release.bom import bom_of


def fault_of(document):
    """What CycloneDX's own schema has against it; None when it is valid."""
    # Three seconds, which each process of the tests would spend when it collects them.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


@pytest.fixture
def document(built, edgecompile):
    result = edgecompile("bom", "dist")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "dist/tiny/cpu-onnxruntime/bom.cdx.json\n"
    return json.loads((built / "bom.cdx.json").read_bytes())


def test_it_is_valid_cyclonedx_and_tells_what_the_artifact_is(document, built, edgecompile):
    assert fault_of(document) is None
    model = document["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"][0]["content"] == digest_file(built / "model.onnx")
    last = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][-1]
    assert last == {
        "type": "top1",
        "value": "1.0",
        "slice": "after lower[cpu-onnxruntime]: 200 evaluation samples, evidence vendor-runtime",
    }
    assert {ref["ref"] for ref in model["modelCard"]["modelParameters"]["datasets"]} == {
        component["bom-ref"] for component in document["components"]
    }
    assert edgecompile("verify", "dist").exit_code == 0


def test_it_names_the_tools_with_the_versions_of_the_manifest(document, built):
    manifest = json.loads((built / "manifest.json").read_bytes())
    tools = {c["name"]: c["version"] for c in document["metadata"]["tools"]["components"]}
    assert tools == {**manifest["tools"], "edgecompile": manifest["edgecompile"]}


def test_it_is_the_same_again_and_holds_no_time_and_no_random_number(document, built, edgecompile):
    before = (built / "bom.cdx.json").read_bytes()
    edgecompile("bom", built)
    assert (built / "bom.cdx.json").read_bytes() == before
    assert "serialNumber" not in document
    assert "timestamp" not in document["metadata"]


def test_of_a_changed_artifact_none_is_written(built, edgecompile):
    with (built / "model.onnx").open("ab") as file:
        file.write(b"x")
    result = edgecompile("bom", "dist")
    assert result.exit_code == 2
    assert "model.onnx was changed" in result.stderr
    assert not (built / "bom.cdx.json").exists()


def test_several_files_findings_and_a_measured_nothing_are_valid_too(built):
    manifest = json.loads((built / "manifest.json").read_bytes())
    manifest["files"]["weights/a.bin"] = {"sha256": "0" * 64, "size": 1}
    manifest["lineage"][-3]["files"]["weights/a.bin"] = "0" * 64
    manifest["findings"] = [{"message": "a Softmax runs on the processor"}]
    manifest["stages"][-1]["metric"] = None
    document = bom_of(manifest)
    assert fault_of(document) is None
    model = document["metadata"]["component"]
    assert [file["name"] for file in model["components"]] == ["model.onnx", "weights/a.bin"]
    assert model["modelCard"]["considerations"]["technicalLimitations"]
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert not any("after lower" in metric["slice"] for metric in metrics)
