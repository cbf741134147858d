"""A backend in a package of its own: installed by pip, it builds, and broken it harms nobody."""

from __future__ import annotations

import inspect
import json
import os
import shutil
from pathlib import Path

import pytest

from edgecompile.backends import registry
from edgecompile.backends.protocol import Backend
from tests.backends.packages import install, pretend

PACKAGE = Path(__file__).resolve().parents[1] / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the plug-in of tests/plugin was installed in."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PACKAGE, folder / "source")
    install(folder / "source", folder / "site")
    return folder / "site"


@pytest.fixture
def with_plugin(site, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(site)
    return site


def path_with(site: Path) -> dict[str, str]:
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def test_an_installed_backend_is_listed_with_its_package_and_its_target(edgecompile, with_plugin):
    rows = {row["name"]: row for row in edgecompile("backends", "list", "--format", "json").json()}
    assert rows["numpy"] == {
        "name": "numpy",
        "package": "edgecompile-numpy 1.0",
        "artifact": "model.safetensors",
        "evidence": "reference",
        "targets": ["any-numpy"],
    }
    assert rows["tflite"]["package"] is None
    listed = edgecompile("targets", "list").stdout.splitlines()
    assert any(line.split()[:2] == ["any-numpy", "numpy"] for line in listed)
    doctor = edgecompile("doctor")
    assert doctor.exit_code == 0
    assert any(line.split()[:2] == ["numpy", "ok"] for line in doctor.stdout.splitlines())


def test_another_process_finds_an_installed_backend(edgecompile_process, site):
    result = edgecompile_process("targets", "show", "any-numpy", env=path_with(site))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "numpy" in edgecompile_process("backends", "list", env=path_with(site)).stdout


def test_an_installed_backend_builds_a_recipe(edgecompile, with_plugin, tiny):
    result = edgecompile("build", "tiny", "-t", "any-numpy", "--format", "json")
    assert result.exit_code == 0, result.stderr
    lowered = result.json()["stages"][-1]
    assert (lowered["stage"], lowered["evidence"]) == ("lower", "reference")
    assert lowered["agreement"]["twin"]["equal"] == 1.0
    folder = Path("dist/tiny/any-numpy")
    assert json.loads((folder / "manifest.json").read_bytes())["target"]["backend"] == "numpy"
    shown = edgecompile("inspect", folder).stdout
    assert "model.safetensors" in shown
    measured = edgecompile("eval", folder, "-r", "tiny", "--format", "json").json()
    assert measured["metric"] == lowered["metric"]


def test_an_installed_backend_is_judged_like_any_other(edgecompile, with_plugin):
    operators = ("Conv", "Gemm", "Relu")
    words = [word for name in operators for word in ("--operator", name)]
    result = edgecompile("conformance", "numpy", *words)
    assert result.exit_code == 0, result.stdout
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert rows["operator"] == ["int8", "fp32"]
    assert rows["Conv"] == ["refused", "refused"]
    assert rows["Relu"] == ["3", "refused", "of", "7"] * 2


def test_what_an_installed_backend_cannot_is_refused(edgecompile, with_plugin):
    result = edgecompile("check", "digits_cnn", "-t", "any-numpy")
    assert result.exit_code == 4
    assert "Conv is not written for NumPy" in result.stdout + result.stderr


def test_an_artifact_of_a_backend_that_is_gone_is_read_by_no_other(edgecompile, built):
    manifest = json.loads((built / "manifest.json").read_bytes())
    manifest["target"]["backend"] = "numpy"
    (built / "manifest.json").write_text(json.dumps(manifest))
    result = edgecompile("inspect", built)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: there is no backend named 'numpy'\n")


BROKEN = {
    "raise RuntimeError('no licence')": "does not load: RuntimeError: no licence",
    "import sys; sys.exit(3)": "does not load: SystemExit: 3",
    "Backend = (": "does not load: SyntaxError: '(' was never closed (sick_module.py, line 1)",
    "": "does not load: AttributeError: module 'sick_module' has no attribute 'Backend'",
    "class Backend:\n    name = 'sick'\n    evidence = 'device'\n": "is no backend: it lacks "
    "main_file, options_schema, probe, check, lower, run, estimate, inspect",
}


@pytest.mark.parametrize("module", BROKEN)
def test_a_broken_package_is_told_in_one_message_and_harms_no_other(
    edgecompile, monkeypatch, tmp_path, module
):
    pretend(tmp_path / "site", monkeypatch, "sick", module)
    result = edgecompile("doctor")
    assert any(line.split()[:2] == ["onnxruntime", "ok"] for line in result.stdout.splitlines())
    assert (result.exit_code, result.stderr) == (
        5,
        "error: the backend 'sick' of the package sick 1.0 (sick_module:Backend) "
        + f"{BROKEN[module]}\n"
        + (
            "help: edgecompile.backends.protocol says what they do; else repair the package, "
            "or remove it: pip uninstall sick\n"
            if "lacks" in BROKEN[module]
            else "help: repair the package, or remove it: pip uninstall sick\n"
        ),
    )


def test_a_backend_that_breaks_over_its_probe_is_told_as_missing(
    edgecompile, monkeypatch, tmp_path
):
    module = (
        "from edgecompile.backends.onnxruntime.backend import OnnxRuntimeBackend\n\n\n"
        "class Backend(OnnxRuntimeBackend):\n"
        "    name = 'sick'\n\n"
        "    def probe(self):\n"
        "        raise OSError('no driver')\n"
    )
    pretend(tmp_path / "site", monkeypatch, "sick", module)
    result = edgecompile("doctor")
    assert result.exit_code == 0
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("sick "))
    assert "missing" in row and "its probe failed: OSError: no driver" in row


def test_a_broken_package_stops_neither_a_build_nor_an_inspection(
    edgecompile, monkeypatch, tmp_path, built
):
    pretend(tmp_path / "site", monkeypatch, "sick", "raise RuntimeError('no licence')")
    assert edgecompile("build", "tiny", "-q").exit_code == 0
    assert edgecompile("inspect", built / "model.onnx").exit_code == 0
    (built / "manifest.json").unlink()
    assert edgecompile("inspect", built).exit_code == 0


def test_a_target_of_a_broken_package_is_told(edgecompile, monkeypatch, tmp_path, tiny):
    pretend(tmp_path / "site", monkeypatch, "sick", "raise RuntimeError('no licence')")
    Path("targets").mkdir()
    Path("targets/ward.yaml").write_text("title: a ward\nbackend: sick\nprecisions: [int8]\n")
    result = edgecompile("build", "tiny", "-t", "ward", "-q")
    assert result.exit_code == 5
    assert result.stderr.startswith("error: the backend 'sick' of the package sick 1.0 ")


def test_a_package_cannot_take_the_name_of_a_built_in_backend(
    edgecompile, monkeypatch, tmp_path, tiny
):
    pretend(tmp_path / "site", monkeypatch, "tflite", "", package="thief")
    message = (
        "error: two backends are named 'tflite': that of edgecompile itself and that of "
        "the package thief 1.0 (thief_module:Backend)\n"
        "help: uninstall one: pip uninstall thief\n"
    )
    result = edgecompile("build", "tiny", "-t", "android-tflite", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert edgecompile("backends", "list").stderr == message
    assert edgecompile("build", "tiny", "-q").exit_code == 0  # for ONNX Runtime


def test_two_packages_cannot_have_one_name(edgecompile, monkeypatch, tmp_path):
    for package in ("one", "two"):
        pretend(tmp_path / package, monkeypatch, "twin", "", package=package)
    result = edgecompile("doctor")
    assert result.exit_code == 2
    assert "two backends are named 'twin'" in result.stderr
    assert "the package one 1.0" in result.stderr and "the package two 1.0" in result.stderr


def test_what_a_package_is_asked_for_is_what_the_protocol_says():
    methods = {name for name, _ in inspect.getmembers(Backend, inspect.isfunction)}
    public = {name for name in methods if not name.startswith("_")}
    assert set(registry._PARTS) == public | set(inspect.get_annotations(Backend))
