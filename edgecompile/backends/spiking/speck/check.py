"""What a Speck cannot hold, told from the float hub: layer, limit, by how much, what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx_ir as ir

from edgecompile.backends.spiking.network import (
    INPUT,
    RateLayer,
    RateNetwork,
    SpikingLayer,
    SpikingNetwork,
)
from edgecompile.backends.spiking.reading import read_network
from edgecompile.backends.spiking.speck.chip_form import as_cores, with_output_neurons
from edgecompile.backends.spiking.speck.limits import ChipLimits, limits_of
from edgecompile.backends.spiking.speck.mapping import (
    Need,
    assign_cores,
    crowded,
    kernel_words,
    need_of,
    neuron_words,
)
from edgecompile.findings import Finding, Level
from edgecompile.recipe.target import Target

_Layer = RateLayer | SpikingLayer
_Network = RateNetwork | SpikingNetwork
DOCUMENT = "docs/backends/speck.md"
_ONE_KERNEL = (
    "sinabs 3.1.3: a core has one kernel for all that reaches it; an addition before the neuron is "
    "an InvalidEdge"
)


def check_hub(hub: ir.Model, target: Target) -> list[Finding]:
    """Errors for nodes without a form and for every limit that is exceeded; else what the user has
    to know."""
    network, findings = read_network(hub)
    if network is None:
        return findings
    limits = limits_of(target.limits)
    # How large the outputs are is known later, and does not change what fits.
    errors = misfits(with_output_neurons(as_cores(network), 1.0), limits)
    return [*errors, *_groups(network)] if errors else [*_groups(network), _UNVERIFIED]


_UNVERIFIED = Finding(
    "note",
    "speck-unverified",
    "no chip and no samna was at hand: accuracy is that of our event-driven simulator, the "
    "configuration is not validated by the vendor",
    remedy="python apply.py, on a machine with samna and the chip",
    reference=DOCUMENT,
)


def misfits(network: _Network, limits: ChipLimits) -> list[Finding]:
    """Everything in a network of cores that the chip lacks, as errors."""
    layers = network.layers[:-1]
    found = [*_too_many(layers, limits), *_branches(layers, limits)]
    needs = []
    for layer in layers:
        if len(layer.connections) > 1:
            continue
        found += _sizes(network, layer, limits)
        need = need_of(layer.name, layer.connections[0], layer.shape)
        if need.cores(limits):
            needs.append(need)
        else:
            found.append(_memory(layer, need, limits))
    if not found and assign_cores(needs, limits) is None:
        found.append(_crowd(layers, needs, limits))
    return found


def _groups(network: RateNetwork) -> Iterator[Finding]:
    """Depthwise and other grouped convolutions cost more than in the ANN."""
    for layer in network.layers:
        groups = max(c.groups for c in layer.connections)
        if groups > 1 and len(layer.connections) == 1:
            yield _finding(
                "warning",
                "speck-groups",
                layer,
                f"a core has no groups: the kernel of {layer.name} is stored and computed with "
                f"zeros between its {groups} groups, {groups} times as large",
                "a convolution without groups costs the same",
                "sinabs 3.1.3 ignores `groups` without a word",
            )


def _finding(
    level: Level, rule: str, layer: _Layer, message: str, remedy: str, source: str
) -> Finding:
    origin = layer.origin
    return Finding(
        level, rule, message, origin.node, None, origin.module, origin.source, remedy, source
    )


def _too_many(layers: Sequence[_Layer], limits: ChipLimits) -> Iterator[Finding]:
    excess = len(layers) - limits.cores
    if excess > 0:
        yield _finding(
            "error",
            "speck-cores",
            layers[limits.cores],
            f"the network has {len(layers)} layers with weights and the chip {limits.cores} cores, "
            f"one for each: {excess} too many; {layers[limits.cores].name} is the first without",
            f"take out {excess} of the layers",
            limits.sources["kernel_memory"],
        )


def _branches(layers: Sequence[_Layer], limits: ChipLimits) -> Iterator[Finding]:
    readers = Counter(c.source for layer in layers for c in layer.connections)
    for layer in layers:
        if len(layer.connections) > 1:
            names = " and ".join(c.source for c in layer.connections)
            yield _finding(
                "error",
                "speck-addition",
                layer,
                f"{layer.name} adds {len(layer.connections)} maps ({names}), and a core has one",
                "a model without residual additions, or with weights of the branches in one "
                "convolution",
                _ONE_KERNEL,
            )
        count = readers[layer.name]
        if count > limits.destinations:
            yield _finding(
                "error",
                "speck-fan-out",
                layer,
                f"the spikes of {layer.name} go to {count} layers, and a core has "
                f"{limits.destinations} destinations: {count - limits.destinations} too many",
                "fewer layers that read it",
                limits.sources["destinations"],
            )
    if readers[INPUT] > 1 and layers:
        yield _finding(
            "error",
            "speck-fan-out",
            layers[0],
            f"the input goes to {readers[INPUT]} layers; the host sends its events to one",
            "one layer that reads the input",
            DOCUMENT,
        )


def _sizes(
    network: RateNetwork | SpikingNetwork, layer: _Layer, limits: ChipLimits
) -> Iterator[Finding]:
    (connection,) = layer.connections
    source = network.shape_of(connection.source)
    height, width = (source[1 + i] // connection.pool[i] for i in range(2))
    features, inputs, *kernel = connection.weight.shape

    def over(limit: str, message: str, remedy: str) -> Finding:
        rule = "speck-" + limit.replace("_", "-")
        return _finding("error", rule, layer, message, remedy, limits.sources[limit])

    if kernel[0] != kernel[1]:
        yield over(
            "kernel_size",
            f"the kernel of {layer.name} is {kernel[0]} x {kernel[1]}, and kernels are square",
            "a square kernel (a Linear's is the image that it flattens)",
        )
    if max(kernel) > limits.kernel_size:
        yield over(
            "kernel_size",
            f"the kernel of {layer.name} is {kernel[0]} x {kernel[1]}, at most "
            f"{limits.kernel_size} x {limits.kernel_size} fit: {max(kernel) - limits.kernel_size} "
            "too large",
            "a smaller kernel, or more pooling before it",
        )
    if max(height, width) > limits.input_size:
        yield over(
            "input_size",
            f"the input of {layer.name} is {height} x {width}, at most {limits.input_size} x "
            f"{limits.input_size} fit: {max(height, width) - limits.input_size} too large",
            "a smaller input, or pooling before it",
        )
    if max(layer.shape[1:]) > limits.output_size:
        yield over(
            "output_size",
            f"the output of {layer.name} is {layer.shape[1]} x {layer.shape[2]}, at most "
            f"{limits.output_size} x {limits.output_size} fit: "
            f"{max(layer.shape[1:]) - limits.output_size} too large",
            "a larger stride in this layer, or a smaller input",
        )
    if max(features, inputs) > limits.features:
        yield over(
            "features",
            f"{layer.name} has {inputs} input and {features} output features, at most "
            f"{limits.features} fit: {max(features, inputs) - limits.features} too many",
            "fewer channels: stages.prune, or a narrower layer",
        )
    for stride in sorted({*connection.stride} - {*limits.strides}):
        yield over(
            "strides",
            f"{layer.name} has a stride of {stride}; there are {_listed(limits.strides)}",
            "another stride",
        )
    if max(connection.pads) > limits.padding:
        yield over(
            "padding",
            f"{layer.name} pads by {max(connection.pads)}, at most {limits.padding} are possible: "
            f"{max(connection.pads) - limits.padding} too many",
            "less padding",
        )
    pool = connection.pool
    if pool[0] not in limits.pools:
        yield over(
            "pools",
            f"{layer.name} reads windows of {pool[0]} x {pool[1]}; there are "
            f"{_listed(limits.pools)}",
            "another size of the pool",
        )
    if any(source[1 + i] % pool[i] for i in range(2)):
        yield over(
            "pools",
            f"windows of {pool[0]} x {pool[1]} do not fill the {source[1]} x {source[2]} that "
            f"{layer.name} reads; what the chip does with events of the rest is not known",
            "a size that the pool divides",
        )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _memory(layer: _Layer, need: Need, limits: ChipLimits) -> Finding:
    has = ", ".join(
        f"{kernel // 1024}/{neuron // 1024}"
        for kernel, neuron in sorted(
            {*zip(limits.kernel_words, limits.neuron_words, strict=True)}, reverse=True
        )
    )
    excess = []
    for what, wanted, most in (
        ("kernel", need.kernel_words, max(limits.kernel_words)),
        ("neuron", need.neuron_words, max(limits.neuron_words)),
    ):
        if wanted > most:
            excess.append(f"{wanted / most:.3g} times the largest {what} memory")
    return _finding(
        "error",
        "speck-memory",
        layer,
        f"{layer.name} takes {_kilo(need.kernel_words)} of kernel and {_kilo(need.neuron_words)} "
        f"of neuron memory, which no core has (kernel/neuron Ki: {has}): "
        + (" and ".join(excess) or "each would fit some core, both fit none"),
        _smaller(layer, limits),
        limits.sources["kernel_memory"],
    )


def _kilo(words: int) -> str:
    return f"{words / 1024:.4g} Ki words"


def _smaller(layer: _Layer, limits: ChipLimits) -> str:
    """How many channels would fit."""
    features, inputs, *kernel = layer.connections[0].weight.shape
    area = kernel[0] * kernel[1]

    def fits(outs: int, ins: int) -> bool:
        words = neuron_words((outs, *layer.shape[1:]))
        return bool(Need("", kernel_words(outs, ins, area), words).cores(limits))

    ways = []
    outs = next((n for n in range(features - 1, 0, -1) if fits(n, inputs)), None)
    ins = next((n for n in range(inputs - 1, 0, -1) if fits(features, n)), None)
    if outs is not None:
        ways.append(f"at most {outs} of its {features} output channels")
    if ins is not None:
        ways.append(f"at most {ins} of its {inputs} input channels")
    if not ways:
        return "a larger stride or more pooling before it, and fewer channels"
    return f"it fits with {' or '.join(ways)} (stages.prune, or a narrower layer)"


def _crowd(layers: Sequence[_Layer], needs: Sequence[Need], limits: ChipLimits) -> Finding:
    chosen, cores = crowded(needs, limits)
    said = "; ".join(
        f"{n.layer}: {_kilo(n.kernel_words)} of kernel, {_kilo(n.neuron_words)} of neurons"
        for n in chosen
    )
    largest = max(chosen, key=lambda n: (n.kernel_words, n.neuron_words))
    layer = next(x for x in layers if x.name == largest.layer)
    return _finding(
        "error",
        "speck-mapping",
        layer,
        f"{len(chosen)} layers need one of the cores {_listed(cores)}, {len(chosen) - len(cores)} "
        f"too many ({said})",
        f"make {len(chosen) - len(cores)} of them smaller, so that another core holds it",
        limits.sources["kernel_memory"],
    )
