"""What rounded weights add to a channel on average, taken off its bias.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
section 4.2, with samples; layer by layer, so that each makes good for what is left of those before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.loihi.fixed_point import LARGEST_BIAS, bias_exponent
from edgecompile.backends.spiking.loihi.sigma_delta import LARGEST_MESSAGE, message_of, sum_of
from edgecompile.backends.spiking.network import INPUT, RateNetwork, SpikingNetwork
from edgecompile.backends.spiking.rates import images, tensors
from edgecompile.backends.spiking.simulate import exact_weights
from edgecompile.graph.hub import Array


def without_mean_shift(
    network: SpikingNetwork, rates: RateNetwork, scales: Mapping[str, Array], samples: Array
) -> SpikingNetwork:
    """The network in whole numbers whose sums are those of `rates`, times `scales`, on average over
    `samples` (samples, *shape of one) and a channel's neurons: of a message, or of a step."""
    import torch

    real, whole = tensors(rates), exact_weights(network, LARGEST_MESSAGE)
    kind = next(iter(whole.values())).dtype
    x = images(samples, rates)
    activity = {INPUT: x}
    limit = network.coding.scale
    shown = x.clamp(-limit if network.coding.signed else 0, limit) / network.coding.unit
    sent = {INPUT: shown.round().to(kind) if network.coding.kind == "graded" else shown.to(kind)}
    layers = []
    with torch.no_grad():
        for layer, wanted in zip(network.layers, rates.layers, strict=True):
            ideal = sum_of(layer, real, activity, wanted.bias)
            total = sum_of(layer, whole, sent, layer.bias)
            shift = ideal.mean((0, 2, 3)).double().numpy() * scales[layer.name]
            shift -= total.double().mean((0, 2, 3)).numpy()
            unit = 2.0 ** bias_exponent(layer)
            mantissa = np.rint((layer.bias + shift) / unit)
            bias = np.clip(mantissa, -LARGEST_BIAS, LARGEST_BIAS) * unit
            layers.append(replace(layer, bias=bias))
            if layer.threshold is None:
                break
            total += torch.tensor(bias - layer.bias, dtype=kind)[:, None, None]
            if layer.message is None:
                sent[layer.name] = total.clamp(0, layer.threshold) / layer.threshold
            else:
                sent[layer.name] = message_of(layer.message, total)
            activity[layer.name] = torch.relu(ideal).clamp(max=wanted.ceiling)
    return replace(network, layers=tuple(layers))
