"""The bundle on its device: its scripts, against a stand-in of trtexec for each generation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.tensorrt.bundle import write_bundle
from edgecompile.backends.tensorrt.lowering import lower_to_onnx
from edgecompile.backends.tensorrt.options import BundleOptions
from edgecompile.compress.scheme import QuantScheme
from edgecompile.digest import digest_file
from tests.backends.tensorrt import trtexec_standin
from tests.backends.tensorrt.trtexec_standin import FLAGS
from tests.conftest import REPOSITORY
from tests.hubs import hub_of, quickly_quantized, samples_for

Script = Callable[..., subprocess.CompletedProcess[str]]

TEGRASTATS = """\
#!/bin/sh
while :; do
  echo "RAM 2/15GB CPU@48.5C GPU@51.25C VDD_IN 4800mW/4800mW VDD_SOC 1200mW/1200mW"
  sleep 0.05
done
"""

RUN_BY_ONNX_RUNTIME = """\
import sys
import numpy as np
import onnxruntime
samples, outputs = sys.argv[1:3]
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
found = [session.run(None, {"x": sample[None]})[0][0] for sample in np.load(samples)]
np.savez(outputs, output0=np.stack(found))
"""


def small_hub():
    hub = hub_of(
        "float[1,4,8,8] x",
        "c = Conv<pads = [1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<pads = [1,1,1,1]>(r, v, b)"
        "s = Add(d, r) y = Relu(s)",
        "float[4,4,3,3] w, float[4,4,3,3] v, float[4] b",
    )
    return quickly_quantized(hub, samples_for(hub), QuantScheme("symmetric"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    options = BundleOptions()
    write_bundle(lower_to_onnx(small_hub(), options), options, folder)
    return folder


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "bundle"))


@pytest.fixture
def device(tmp_path: Path) -> dict[str, str]:
    """The variables of a device whose trtexec and tegrastats are stand-ins."""
    tools = tmp_path / "tools"
    tools.mkdir()
    trtexec, tegrastats = tools / "trtexec", tools / "tegrastats"
    trtexec.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{trtexec_standin.__file__}" "$@"\n')
    tegrastats.write_text(TEGRASTATS)
    for tool in (trtexec, tegrastats):
        tool.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "STANDIN_RELEASE": "10.3",
    }


def run(*command: object, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def build(bundle: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run("/bin/sh", bundle / "build_engine.sh", env=env, cwd=bundle.parent)


def validate(
    bundle: Path, env: dict[str, str], *arguments: object
) -> subprocess.CompletedProcess[str]:
    script = bundle / "validate.py"
    return run(sys.executable, "-I", script, "--seconds", 1, *arguments, env=env, cwd=bundle.parent)


@pytest.mark.parametrize("release", FLAGS)
def test_the_engine_is_built_with_the_flags_that_a_release_has(bundle, device, release):
    done = build(bundle, {**device, "STANDIN_RELEASE": release})
    assert done.returncode == 0, done.stderr
    assert (bundle / "model.engine").stat().st_size > 0
    given = json.loads((bundle / "given.json").read_text())
    assert ("--stronglyTyped" in given) == (float(release) >= 9)
    assert ("--int8" in given) == (float(release) < 9)


def test_a_timing_cache_is_kept_for_its_release_alone(bundle, device):
    build(bundle, device)
    assert "timing cache loaded" not in (bundle / "build.log").read_text()
    build(bundle, device)
    assert "timing cache loaded" in (bundle / "build.log").read_text()
    build(bundle, {**device, "STANDIN_RELEASE": "10.13"})
    assert "timing cache loaded" not in (bundle / "build.log").read_text()


def test_a_build_that_fails_leaves_no_engine_and_says_why(bundle, device):
    build(bundle, device)
    (bundle / "model.onnx").write_bytes(b"no model")
    done = build(bundle, device)
    assert done.returncode == 6
    assert "not an ONNX model" in done.stderr
    assert not (bundle / "model.engine").exists()


def test_without_trtexec_the_script_says_what_to_install(bundle, device):
    done = build(bundle, {**device, "TRTEXEC": "/nowhere/trtexec"})
    assert done.returncode == 5
    assert "install JetPack's tensorrt" in done.stderr


def test_sparse_kernels_are_allowed_only_where_weights_are_sparse(bundle, device):
    build(bundle, device)
    assert "--sparsity=enable" not in json.loads((bundle / "given.json").read_text())
    settings = bundle / "settings.sh"
    settings.write_text(settings.read_text().replace("disable\n", "enable\n"))
    build(bundle, device)
    assert "--sparsity=enable" in json.loads((bundle / "given.json").read_text())


@pytest.mark.parametrize("release", ["8.5", "10.3", "11.0"])
def test_validation_measures_agreement_latency_and_power(bundle, device, release):
    done = validate(bundle, {**device, "STANDIN_RELEASE": release})
    assert done.returncode == 0, done.stderr
    result = json.loads((bundle / "measurements.json").read_text())
    assert result["schema"] == "edgecompile.tensorrt-measurements/1"
    assert result["agreement"]["holds"]
    assert result["agreement"]["samples"] == 8
    assert result["latency_ms"] == {"p50": 1.0, "p90": 1.0, "p99": 9.0, "mean": 1.16, "count": 200}
    assert result["gpu_ms"]["p99"] == 0.5
    assert result["power_w"]["VDD_IN"] == pytest.approx({"mean": 4.8, "peak": 4.8})
    assert result["hottest_c"]["GPU"] == 51.25


def test_an_engine_that_computes_something_else_is_refused(bundle, device):
    done = validate(bundle, {**device, "STANDIN_ERROR": "3.0"})
    assert done.returncode == 3
    assert "DOES NOT AGREE" in done.stdout


def test_a_sustained_run_tells_how_much_slower_it_became(bundle, device):
    done = validate(bundle, device, "--sustained", 0.03)
    assert done.returncode == 0, done.stderr
    sustained = json.loads((bundle / "measurements.json").read_text())["sustained"]
    assert sustained["slowdown"] == 1.0
    assert len(sustained["p50_ms_by_minute"]) >= 1
    assert sustained["hottest_c"]["CPU"] == 48.5


def test_without_tegrastats_power_is_not_measured(bundle, device):
    (Path(device["PATH"].split(":")[0]) / "tegrastats").unlink()
    done = validate(bundle, device)
    assert done.returncode == 0, done.stderr
    assert "power      not measured" in done.stdout
    assert "power_w" not in json.loads((bundle / "measurements.json").read_text())


def test_a_damaged_bundle_is_refused_before_anything_runs(bundle, device):
    with (bundle / "reference/input.3.bin").open("ab") as file:
        file.write(b"x")
    done = validate(bundle, device)
    assert done.returncode == 2
    assert "reference/input.3.bin is not the file of this bundle" in done.stderr


def test_the_shell_scripts_are_clean(bundle):
    shellcheck = Path(sys.executable).with_name("shellcheck")
    scripts = sorted(bundle.glob("*.sh"))
    assert len(scripts) == 2
    done = run(shellcheck, *scripts, env=dict(os.environ), cwd=bundle)
    assert done.returncode == 0, done.stdout


def test_the_same_hub_gives_the_same_bundle(written, tmp_path):
    options = BundleOptions()
    write_bundle(lower_to_onnx(small_hub(), options), options, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes(), path


def test_the_result_for_import_holds_what_its_schema_demands(bundle, device, tmp_path):
    schema = pytest.importorskip("edgecompile.evaluate.device")
    np.save(tmp_path / "samples.npy", samples_for(small_hub()))
    # In the place of run_engine.py, which needs a GPU: the same file by ONNX Runtime.
    (bundle / "run_engine.py").write_text(RUN_BY_ONNX_RUNTIME)
    facts = json.loads((bundle / "bundle.json").read_text())
    facts["files"]["run_engine.py"] = digest_file(bundle / "run_engine.py")
    (bundle / "bundle.json").write_text(json.dumps(facts))
    done = validate(bundle, device, "--samples", tmp_path / "samples.npy")
    assert done.returncode == 0, done.stderr
    result = schema.read_device_result(bundle / "result.json")
    assert result.artifact == digest_file(bundle / "model.onnx")
    assert result.samples == digest_file(tmp_path / "samples.npy")
    assert result.latency_ms.p99 == 9.0
