"""Intel's own fixed-point models load our netx file and agree with our simulator bit by bit.

lava-nc is for Python 3.10 only: `$EDGECOMPILE_LAVA_PYTHON` names one that has it, or one is made
where `python3.10` and the packages can be had.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.spiking.loihi.fixed_point import DYNAMICS, to_fixed_point
from edgecompile.backends.spiking.loihi.netx import write_netx
from edgecompile.backends.spiking.simulate import simulate
from tests.backends.spiking.networks import PLAIN, spiking_of
from tests.hubs import samples_for

REPLAY = Path(__file__).parent / "lava" / "replay.py"
NEEDED = (
    *("numpy<2", "scipy<2", "networkx<=2.8.7", "asteval<0.10", "scikit-learn<2"),
    *("h5py", "setuptools<81"),
)
LAVA = ("lava-nc==0.10.0", "lava-dl==0.6.0")
STEPS = 16


def run(*words: str | Path, seconds: int = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.fixture(scope="module")
def lava_python(tmp_path_factory) -> str:
    named = os.environ.get("EDGECOMPILE_LAVA_PYTHON")
    if named:
        return named
    python = shutil.which("python3.10")
    if python is None or run(python, "--version").returncode:
        pytest.skip("lava-nc needs Python 3.10, and there is none")
    folder = tmp_path_factory.mktemp("lava")
    own = folder / "bin" / "python"
    for words in (
        (python, "-m", "venv", folder),
        (own, "-m", "pip", "install", "-q", *NEEDED),
        (own, "-m", "pip", "install", "-q", "--no-deps", *LAVA),
    ):
        made = run(*words)
        if made.returncode:
            pytest.skip(f"no environment for lava-nc: {made.stderr.strip().splitlines()[-1:]}")
    return str(own)


@pytest.mark.full
@pytest.mark.parametrize(("neuron", "reset"), [("stock", "zero"), ("soft-reset", "subtract")])
def test_lava_fires_every_spike_that_the_simulator_does(lava_python, neuron, reset, tmp_path):
    hub = PLAIN
    network = to_fixed_point(replace(spiking_of(hub, "events"), reset=reset), 3.0)
    # Lava's spikes of one bit have no sign.
    samples = np.abs(samples_for(hub, 2))
    trace = simulate(network, samples, [STEPS], DYNAMICS, record=True)
    write_netx(network, tmp_path / "model.net", STEPS)
    arrays = {f"spikes.{name}": train for name, train in trace.trains.items()}
    for layer in network.layers[:-1]:
        # In Lava's order: channels last.
        arrays[f"v0.{layer.name}"] = layer.v0
    np.savez(tmp_path / "golden.npz", potential=trace.potentials[STEPS], **arrays)
    ran = run(lava_python, REPLAY, tmp_path / "model.net", tmp_path / "golden.npz", neuron)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["fired"] > 500
    assert told == {"fired": told["fired"], "differ": 0, "potential": 0.0}
