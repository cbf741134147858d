"""What Loihi 2 cannot run, or not as its stock software has it, told from the float hub."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.spiking.loihi.cores import budget_of, core_findings
from edgecompile.backends.spiking.loihi.options import LoihiOptions
from edgecompile.backends.spiking.loihi.sigma_delta import LONGEST_DELAY, delays
from edgecompile.backends.spiking.network import RateNetwork
from edgecompile.backends.spiking.reading import read_network
from edgecompile.findings import Finding
from edgecompile.recipe.target import Target

DOCUMENT = "docs/backends/loihi.md"
_LAVA = "lava-nc 0.10.0, lava.proc.lif.models: the stock LIF sets the potential to 0"
_NETX = "lava-dl 0.6.0, lava.lib.dl.netx.hdf5"

_PROGRAMS = {
    "soft-reset": "neurons that keep what exceeds the threshold",
    "signed": "neurons that keep what exceeds the threshold, and take back a spike too many,",
    "sigma-delta": "sigma-delta neurons with a ceiling, rounding, and a step to start in",
}


def check_hub(hub: ir.Model, target: Target) -> list[Finding]:
    """Errors for nodes without a form and for too few cores; else what the user has to know."""
    network, findings = read_network(hub)
    if network is None:
        return findings
    options = LoihiOptions.model_validate(target.options)
    errors = misfits(network, options, target)
    return errors or remarks(network, options)


def misfits(network: RateNetwork, options: LoihiOptions, target: Target) -> list[Finding]:
    """Errors: too few cores, or a connection that would have to wait too long."""
    found = core_findings(network, budget_of(network, target.limits), target.limits)
    waits = delays(network) if options.neuron == "sigma-delta" else {}
    for layer in network.layers:
        longest = max(waits.get(layer.name, [0]))
        if longest > LONGEST_DELAY:
            found.append(
                Finding(
                    "error",
                    "loihi-delay",
                    f"{layer.name} adds a layer that is {longest} layers nearer to the input than "
                    f"the other, and a synapse holds spikes back for {LONGEST_DELAY} steps at most",
                    layer.origin.node,
                    None,
                    layer.origin.module,
                    layer.origin.source,
                    "lower.loihi.neuron=signed, whose spikes need not arrive together",
                    DOCUMENT,
                )
            )
    return found


def remarks(network: RateNetwork, options: LoihiOptions) -> list[Finding]:
    """What the artifact needs beyond Lava's stock software, and that no chip confirmed it."""
    found = []
    if options.neuron != "stock":
        found.append(
            Finding(
                "warning",
                "loihi-neuron",
                f"{_PROGRAMS[options.neuron]} need a neuron program (microcode) of one's own on "
                "the chip, written with Intel's research toolchain; with stock neurons this "
                "network's accuracy collapses, unless it is trained for them",
                remedy="lower.loihi.neuron=stock, with data.train to train it for stock neurons",
                reference=_LAVA,
            )
        )
    added = next((layer for layer in network.layers if len(layer.connections) > 1), None)
    if added is not None:
        found.append(
            Finding(
                "warning",
                "loihi-netx",
                f"the layer {added.name} adds several layers, which a netx file cannot say: there "
                "will be no .net file; model.nir and the simulator have the additions",
                added.origin.node,
                "Add",
                added.origin.module,
                added.origin.source,
                "connect the layers in Lava by hand, as model.nir says; each takes one process",
                _NETX,
            )
        )
    elif options.neuron == "sigma-delta":
        found.append(
            Finding(
                "note",
                "loihi-netx",
                "there will be no .net file: netx's sigma-delta neurons have no ceiling, and work "
                "from the first step on; model.nir and the simulator have both",
                reference=_NETX,
            )
        )
    found.append(
        Finding(
            "note",
            "loihi-unverified",
            "no chip and no INRC compiler was at hand: accuracy is that of our fixed-point "
            "simulator, cores are counted by published limits",
            reference=DOCUMENT,
        )
    )
    return found
