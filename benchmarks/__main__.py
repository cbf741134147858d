"""`make bench`: edgecompile against the converters that it stands in for. Ratios, never seconds
alone: the machine is whatever it is today, and the same for both."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.latency import median_microseconds
from edgecompile.recipe.paths import data_folder


@dataclass(frozen=True)
class Run:
    """What a process and its children cost, and what they printed."""

    cpu_seconds: float
    output: str


def measure(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end and count its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(cpu, done.stdout)


def build_against_converter(recipe: str) -> None:
    """Build one recipe to int8 TFLite with evaluation, by us and by the peer; print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        environment = {**os.environ, "EDGECOMPILE_CACHE": str(work / "cache")}
        wanted = ["-t", "android-tflite", "-o", str(work / "dist"), "--format", "json"]
        ours = measure(
            [sys.executable, "-m", "edgecompile", "-q", "build", recipe, *wanted], environment
        )
        result = json.loads(ours.output)
        our_file = work / "dist" / result["targets"][0]["artifact"]
        peer_file = work / "peer.tflite"
        peer = measure(
            [sys.executable, "-m", "benchmarks.peer_tflite_converter", recipe, str(peer_file)],
            environment,
        )
        theirs = json.loads(peer.output.strip().splitlines()[-1])
        our_metric = result["stages"][-1]["metric"]
        latency = median_microseconds([our_file, peer_file])
    print(f"{recipe}: PyTorch to an int8 .tflite, measured, against TFLiteConverter (onnxsim)")
    print(f"  metric      ours {our_metric:.4f}   peer {theirs['int8']:.4f}", end="")
    print(f"   (PyTorch {theirs['pytorch']:.4f})")
    _row("CPU time", ours.cpu_seconds, peer.cpu_seconds, "s")
    _row("latency", latency[0], latency[1], "us")
    _row("size", result["targets"][0]["size_bytes"] / 1000, theirs["bytes"] / 1000, "kB")


def _row(name: str, ours: float, peer: float, unit: str) -> None:
    print(f"  {name:10}  ours {ours:.1f} {unit}   peer {peer:.1f} {unit}   ratio {ours / peer:.2f}")


def main() -> None:
    """Run the benchmarks of the recipes that are named, or of one that is at hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    recipes = parser.parse_args().recipes
    for recipe in recipes or ["ic_resnet8" if data_folder() else "digits_cnn"]:
        build_against_converter(recipe)


if __name__ == "__main__":
    main()
