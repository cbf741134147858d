"""Build the engine on this device, hold it against the reference, measure it.

    python3 validate.py                     agreement, latency, power -> measurements.json
    python3 validate.py --sustained 45      45 minutes more under load: does it throttle?
    python3 validate.py --samples samples.npy   -> result.json and result.npz as well

samples.npy comes from `edgecompile eval FOLDER -r RECIPE --export samples.npy`; result.json and
result.npz go back, for `edgecompile eval FOLDER -r RECIPE --import result.json`.

Needs Python 3.8, trtexec, and tegrastats for power. Exit code 0: it agrees; 3: it does not; 5: a
tool is missing; 6: a tool failed. Part of a bundle of edgecompile; nothing of it is needed here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MEASUREMENTS = "edgecompile.tensorrt-measurements/1"
RESULT = "edgecompile.device-result/1"


class Stop(Exception):
    """The end, with a sentence and an exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


def main() -> int:
    """Run all of it; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sustained", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the latency run (10)")
    parser.add_argument("--samples", type=Path, help="samples.npy: run all of them")
    parser.add_argument("--keep-engine", action="store_true", help="do not build it anew")
    options = parser.parse_args()
    try:
        return validate(options)
    except Stop as stop:
        print(f"validate.py: {stop}", file=sys.stderr)
        return stop.code


def validate(options: argparse.Namespace) -> int:
    """Check, build, compare, measure; write it down."""
    facts = json.loads((HERE / "bundle.json").read_text())
    require_whole(facts)
    trtexec = find_trtexec()
    if not (options.keep_engine and (HERE / "model.engine").is_file()):
        build_engine(trtexec)
    result: dict[str, Any] = {
        "schema": MEASUREMENTS,
        "artifact": {"file": "model.onnx", "sha256": facts["files"]["model.onnx"]},
        "engine": {
            "sha256": digest(HERE / "model.engine"),
            "bytes": (HERE / "model.engine").stat().st_size,
        },
        "device": describe_device(trtexec),
        "agreement": compare_with_reference(trtexec, facts),
    }
    with Tegrastats() as stats:
        result["latency_ms"], result["gpu_ms"] = measure(trtexec, facts, options.seconds)
    result.update(stats.summary())
    if options.sustained:
        with Tegrastats() as stats:
            result["sustained"] = sustain(trtexec, facts, options.sustained)
        result["sustained"].update(stats.summary())
    write_json("measurements.json", result)
    if options.samples:
        write_json("result.json", run_samples(options.samples, facts, result))
    return report(result)


def write_json(name: str, body: dict[str, Any]) -> None:
    """A file beside this one."""
    (HERE / name).write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def require_whole(facts: dict[str, Any]) -> None:
    """Stop unless every file of the bundle is the one that was built."""
    for name, sha256 in facts["files"].items():
        if not (HERE / name).is_file() or digest(HERE / name) != sha256:
            raise Stop(f"{name} is not the file of this bundle: copy the bundle again", 2)


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_trtexec() -> str:
    """$TRTEXEC, that of the PATH, or where JetPack puts it."""
    found = os.environ.get("TRTEXEC") or shutil.which("trtexec")
    found = found or "/usr/src/tensorrt/bin/trtexec"
    if not os.access(found, os.X_OK):
        raise Stop(
            f"there is no {found}: install JetPack's tensorrt, or name it by TRTEXEC=path", 5
        )
    return found


def build_engine(trtexec: str) -> None:
    """Let build_engine.sh make model.engine."""
    done = subprocess.run(
        ["/bin/sh", str(HERE / "build_engine.sh")],
        env={**os.environ, "TRTEXEC": trtexec},
        check=False,
    )
    if done.returncode:
        raise Stop("the engine was not built", done.returncode)


def run_trtexec(trtexec: str, *flags: str) -> None:
    """Run the engine by trtexec; its words are kept for the case that it fails."""
    command = [trtexec, "--loadEngine=model.engine", *flags]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Stop(f"trtexec failed (exit {done.returncode}):\n{tail}", 6)


def compare_with_reference(trtexec: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The engine's outputs for the bundle's inputs, against those of the ONNX file.

    The centred signal-to-noise ratio in dB: 10*log10(var(reference)/mse), the variance over the
    samples for each element, as edgecompile counts it.
    """
    expected = [
        [read_floats(HERE / name) for name in sample["outputs"]] for sample in facts["reference"]
    ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for sample in facts["reference"]:
            out = Path(folder, "out.json")
            run_trtexec(
                trtexec,
                f"--loadInputs={facts['input']['name']}:{sample['input']}",
                f"--exportOutput={out}",
                *("--iterations=1", "--duration=0", "--warmUp=0"),
            )
            named = {o["name"]: o["values"] for o in json.loads(out.read_text())}
            found.append([array("f", named[o["name"]]) for o in facts["outputs"]])
    noise, largest = agreement(expected, found)
    least = facts["least_sqnr_db"]
    holds = noise is None or noise >= least
    return {
        "samples": len(found),
        "sqnr_db": noise,
        "max_abs": largest,
        "least_sqnr_db": least,
        "holds": holds,
    }


def agreement(expected: list[list[Any]], found: list[list[Any]]) -> tuple[float | None, float]:
    """The least SQNR in dB of all outputs (None: equal) and the largest difference."""
    worst: float | None = None
    largest = 0.0
    for index in range(len(expected[0])):
        error = signal = 0.0
        for element in range(len(expected[0][index])):
            values = [sample[index][element] for sample in expected]
            mean = sum(values) / len(values)
            for value, sample in zip(values, found):  # noqa: B905 - strict= needs Python 3.10
                difference = abs(sample[index][element] - value)
                if math.isnan(difference):
                    raise Stop("the engine's outputs hold NaN", 3)
                largest = max(largest, difference)
                error += difference**2
                signal += (value - mean) ** 2
        if error:
            decibel = 10 * math.log10(signal / error) if signal else -math.inf
            worst = decibel if worst is None else min(worst, decibel)
    return worst, largest


def read_floats(path: Path) -> Any:
    """float32, little-endian, as every Jetson has them."""
    values = array("f")
    values.frombytes(path.read_bytes())
    return values


def measure(
    trtexec: str, facts: dict[str, Any], seconds: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Latency of one inference with its copies, and of the GPU alone, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder, "times.json")
        sample = facts["reference"][0]["input"]
        run_trtexec(
            trtexec,
            f"--loadInputs={facts['input']['name']}:{sample}",
            f"--exportTimes={times}",
            *("--warmUp=500", f"--duration={max(1, round(seconds))}", "--iterations=100"),
        )
        rows = json.loads(times.read_text())
    return percentiles([r["latencyMs"] for r in rows]), percentiles([r["computeMs"] for r in rows])


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 (nearest rank) and the mean."""
    if not values:
        raise Stop("trtexec wrote no times", 6)
    ordered = sorted(values)
    found: dict[str, float] = {
        f"p{p}": ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)] for p in (50, 90, 99)
    }
    return {**found, "mean": sum(ordered) / len(ordered), "count": len(ordered)}


def sustain(trtexec: str, facts: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Load for `minutes`: the median latency of each minute, and how much slower it became."""
    ends = time.monotonic() + minutes * 60
    medians: list[float] = []
    while time.monotonic() < ends:
        left = min(60.0, max(1.0, ends - time.monotonic()))
        medians.append(measure(trtexec, facts, left)[0]["p50"])
        print(f"minute {len(medians)}: p50 {medians[-1]:.3f} ms", file=sys.stdout, flush=True)
    # The median of the last tenth against the first minute: one slow minute is no throttling.
    last = sorted(medians[-max(1, len(medians) // 10) :])
    return {
        "minutes": minutes,
        "p50_ms_by_minute": medians,
        "slowdown": last[len(last) // 2] / medians[0],
    }


class Tegrastats:
    """Power and temperatures by tegrastats while the block runs; nothing where it is not there."""

    def __enter__(self) -> Tegrastats:
        self.lines: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        tool = os.environ.get("TEGRASTATS") or shutil.which("tegrastats")
        if tool:
            self.said = tempfile.TemporaryFile()
            self.process = subprocess.Popen(
                [tool, "--interval", "500"], stdout=self.said, stderr=subprocess.DEVNULL
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.said.seek(0)
            self.lines = self.said.read().decode(errors="replace").splitlines()
            self.said.close()

    def summary(self) -> dict[str, Any]:
        """`power_w` by rail (mean and peak) and `hottest_c` by sensor; empty: not measured."""
        rails: dict[str, list[float]] = {}
        hottest: dict[str, float] = {}
        for line in self.lines:
            for rail, milliwatts in re.findall(r"\b([A-Z]\w+) (\d+)mW/\d+mW", line):
                rails.setdefault(rail, []).append(int(milliwatts) / 1000)
            for sensor, degrees in re.findall(r"\b(\w+)@(-?[\d.]+)C", line):
                hottest[sensor] = max(hottest.get(sensor, -math.inf), float(degrees))
        found: dict[str, Any] = {}
        if rails:
            found["power_w"] = {
                rail: {"mean": sum(values) / len(values), "peak": max(values)}
                for rail, values in rails.items()
            }
        if hottest:
            found["hottest_c"] = hottest
        return found


def run_samples(samples: Path, facts: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """Every sample through the engine -> result.npz, by run_engine.py; what `--import` reads."""
    names = [output["name"] for output in facts["outputs"]]
    script = str(HERE / "run_engine.py")
    done = subprocess.run(
        [sys.executable, script, str(samples.resolve()), "result.npz", "model.engine", *names],
        cwd=HERE,
        check=False,
    )
    if done.returncode:
        raise Stop("the samples were not run: run_engine.py failed", 6)
    device, latency = measured["device"], measured["latency_ms"]
    return {
        "format": RESULT,
        "artifact": facts["files"]["model.onnx"],
        "samples": digest(samples),
        "outputs": "result.npz",
        "outputs_sha256": digest(HERE / "result.npz"),
        "device": device["model"] or "unknown",
        "system": device["l4t"] or "unknown",
        "tools": {"tensorrt": device["tensorrt"] or "unknown"},
        "settings": {"power_mode": device["power_mode"] or "unknown"},
        "latency_ms": {**{p: latency[p] for p in ("p50", "p90", "p99")}, "runs": latency["count"]},
    }


def describe_device(trtexec: str) -> dict[str, str | None]:
    """What and in which mode: the board, its release, TensorRT, the power mode."""
    help_text = say([trtexec, "--help"]) or ""
    version = re.search(r"\[TensorRT v(\d+)\]", help_text)
    mode = say(["nvpmodel", "-q"]) or ""
    named = re.search(r"NV Power Mode: (\S+)", mode)
    return {
        "model": read_text("/proc/device-tree/model"),
        "l4t": (read_text("/etc/nv_tegra_release") or "").partition("\n")[0] or None,
        "tensorrt": version.group(1) if version else None,
        "power_mode": named.group(1) if named else None,
    }


def say(command: list[str]) -> str | None:
    """What a command prints; None where it is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr


def read_text(path: str) -> str | None:
    """A file's text without the zero byte at its end; None where it is not there."""
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def report(result: dict[str, Any]) -> int:
    """Say it in a few lines; the exit code."""
    told, latency = result["agreement"], result["latency_ms"]
    decibel = "equal" if told["sqnr_db"] is None else f"{told['sqnr_db']:.1f} dB"
    verdict = "agrees" if told["holds"] else f"DOES NOT AGREE: less than {told['least_sqnr_db']} dB"
    lines = [
        f"agreement  {decibel} on {told['samples']} samples: {verdict}",
        "latency    " + ", ".join(f"{p} {latency[p]:.3f} ms" for p in ("p50", "p90", "p99")),
    ]
    for rail, watts in result.get("power_w", {}).items():
        lines.append(f"power      {rail} mean {watts['mean']:.2f} W, peak {watts['peak']:.2f} W")
    if "power_w" not in result:
        lines.append("power      not measured (no tegrastats)")
    if "sustained" in result:
        slower = result["sustained"]["slowdown"]
        lines.append(
            f"sustained  {result['sustained']['minutes']:g} minutes: {slower:.2f} x as slow"
        )
    lines.append("wrote      measurements.json")
    print("\n".join(lines), file=sys.stdout)
    return 0 if told["holds"] else 3


if __name__ == "__main__":
    sys.exit(main())
