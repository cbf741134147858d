"""Run a netx file in Lava's fixed-point models and compare every spike and the last potentials.

``python3.10 replay.py FILE.net GOLDEN.npz soft-reset|stock``: prints JSON. netx imports torch for
neurons that our files have none of; stand-ins take its place.
"""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

for name in ("", ".neuron", ".neuron.rf", ".neuron.rf_iz", ".block", ".utils"):
    sys.modules[f"lava.lib.dl.slayer{name}"] = MagicMock()
sys.modules["torch"] = MagicMock()

import numpy as np  # noqa: E402
from lava.lib.dl.netx import hdf5  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc import io  # noqa: E402


def main(file, golden, neuron):
    if neuron == "soft-reset":
        sys.path.insert(0, str(Path(__file__).parent))
        from soft.softlif import SoftLIF

        hdf5.LIF = SoftLIF
    expected = np.load(golden)
    names = [n for n in expected.files if n.startswith("spikes.") and n != "spikes.input"]
    spikes = expected["spikes.input"]
    fired = differ = 0
    apart = 0.0
    for sample in range(spikes.shape[1]):
        network = hdf5.Network(net_config=file)
        for layer, label in zip(network.layers, names, strict=False):
            v0 = expected["v0." + label.removeprefix("spikes.")].astype(int) * 64
            layer.neuron.v.init = np.broadcast_to(v0, layer.neuron.v.shape).copy()
        # Lava has (width, height, channels); steps are last.
        source = io.source.RingBuffer(data=spikes[:, sample].transpose(3, 2, 1, 0).astype(int))
        source.s_out.connect(network.inp)
        sinks = []
        for layer in network.layers:
            sinks.append(io.sink.RingBuffer(shape=layer.out.shape, buffer=len(spikes)))
            layer.out.connect(sinks[-1].a_in)
        settings = Loihi2SimCfg(select_tag="fixed_pt")
        network.run(condition=RunSteps(num_steps=len(spikes)), run_cfg=settings)
        theirs = [sink.data.get() for sink in sinks]
        potential = network.layers[-1].neuron.v.get() / 64
        network.stop()
        for label, train in zip(names, theirs, strict=False):
            ours = expected[label][:, sample].transpose(3, 2, 1, 0).reshape(train.shape)
            fired += int(ours.sum())
            differ += int(np.abs(train - ours).sum())
        apart = max(apart, float(np.abs(potential - expected["potential"][sample].ravel()).max()))
    print(json.dumps({"fired": fired, "differ": differ, "potential": apart}))


main(*sys.argv[1:])
