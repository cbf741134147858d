"""The same inputs give the same bytes: on another day, in another folder, for another user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edgecompile.digest import digest_file
from tests.conftest import REPOSITORY, command, tree

TARGETS = ["cpu-onnxruntime", "android-tflite"]


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """digits_cnn built twice, with nothing in common but the bytes of the recipe."""
    processes, outputs = [], []
    for number, seed in enumerate(("1", "4242")):
        root = tmp_path_factory.mktemp(f"machine-{number}")
        recipe = root / ("a/digits_cnn" if number else "some/where/else/digits_cnn")
        shutil.copytree(REPOSITORY / "recipes/digits_cnn", recipe)
        home, output = root / "home", root / "out"
        home.mkdir()
        options = [word for name in TARGETS for word in ("-t", name)]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / f"cache-{number}"),
            "TZ": "Asia/Tokyo" if number else "UTC",
            "LC_ALL": "C.UTF-8" if number else "C",
        }
        environment.pop("EDGECOMPILE_CACHE", None)
        named = [recipe] if number else [recipe.name]
        processes.append(
            subprocess.Popen(
                command("build", *named, "-o", output, "-q", *options),
                cwd=root if number else recipe.parent,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        outputs.append(output)
    for process in processes:
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
    return outputs[0], outputs[1]


def test_two_builds_are_equal_in_every_byte(two_builds):
    first, second = (tree(folder) for folder in two_builds)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_a_target_gets_its_artifact_its_manifest_and_its_resolved_recipe(two_builds):
    assert sorted(tree(two_builds[0])) == sorted(
        [
            *(
                f"digits_cnn/{target}/{name}"
                for target, main in zip(TARGETS, ("model.onnx", "model.tflite"), strict=True)
                for name in (main, "manifest.json", "recipe.json", "report.html")
            ),
            "digits_cnn/summary.html",
            "digits_cnn/summary.json",
        ]
    )


def test_no_file_holds_a_path_of_the_machine_or_a_date(two_builds):
    for output in two_builds:
        places = (str(output.parent), str(REPOSITORY), str(Path.home()), "/tmp/")
        for name, data in tree(output).items():
            for forbidden in (*places, time.strftime("%Y-%m-%d")):
                assert forbidden.encode() not in data, name


@pytest.mark.parametrize("target", TARGETS)
def test_the_manifest_knows_every_file_and_how_it_came_about(two_builds, target):
    folder = two_builds[0] / "digits_cnn" / target
    manifest = json.loads((folder / "manifest.json").read_bytes())
    files = {p.name for p in folder.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == files
    for name, facts in manifest["files"].items():
        assert facts == {
            "sha256": digest_file(folder / name),
            "size": (folder / name).stat().st_size,
        }
    lineage = {step["step"]: step for step in manifest["lineage"]}
    main = next(name for name in files if name.startswith("model."))
    assert lineage[f"lower[{target}]"]["files"][main] == manifest["files"][main]["sha256"]
    assert all(need in lineage for step in manifest["lineage"] for need in step["needs"])
    assert manifest["target"]["name"] == target
    assert manifest["tools"]["torch"] and manifest["tools"]["onnx"]
    assert set(manifest["sources"]) == {"model.py"}
    assert [row["stage"] for row in manifest["stages"]] == [
        "pytorch",
        "export",
        "simplify",
        "quantize",
        "lower",
    ]
    assert all(row["evidence"] and row["samples"] == 500 for row in manifest["stages"])


def test_the_quantized_model_is_as_good_as_promised(two_builds):
    summary = json.loads((two_builds[0] / "digits_cnn" / "summary.json").read_bytes())
    lowered = [row for row in summary["stages"] if row["stage"] == "lower"]
    assert [row["target"] for row in lowered] == TARGETS
    for row in lowered:
        assert row["delta_baseline"] >= -0.4
        assert row["evidence"] == "vendor-runtime"
        assert row["agreement"]["twin"]["equal"] >= 0.999


def test_the_recipe_beside_the_artifact_spells_every_default_out(two_builds):
    resolved = json.loads(
        (two_builds[0] / "digits_cnn" / "cpu-onnxruntime" / "recipe.json").read_bytes()
    )
    assert resolved["stages"]["quantize"] == {
        "precision": "int8",
        "calibration_samples": 256,
        "per_channel": True,
        "improve": "auto",
        "fallback": False,
        "fallback_operators": 8,
        "finetune": None,
        "seed": 0,
        "sensitivity": False,
        "time_limit": None,
    }
