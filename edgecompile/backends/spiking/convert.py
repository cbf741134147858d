"""From rates to spikes: the ceiling of an activation is what one spike in every step stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.network import (
    INPUT,
    CodingKind,
    InputCoding,
    RateNetwork,
    SpikingLayer,
    SpikingNetwork,
)


def to_spiking(network: RateNetwork, coding: CodingKind) -> SpikingNetwork:
    """Integrate-and-fire neurons with the network's ceilings as thresholds, which start half full.

    A current is in the units of the ANN's activations: the weights of a connection are the ANN's
    times the threshold of its source. Every layer but the last must have a ceiling.
    """
    amplitude = {layer.name: layer.ceiling for layer in network.layers}
    how = InputCoding(coding, network.input_scale, network.input_signed)
    amplitude[INPUT] = how.unit
    layers = []
    for layer in network.layers:
        joined = []
        for connection in layer.connections:
            size = amplitude[connection.source]
            assert size is not None, f"{connection.source} has no ceiling"
            joined.append(replace(connection, weight=connection.weight * np.float32(size)))
        v0 = np.full(layer.shape[0], 0.0 if layer.ceiling is None else layer.ceiling / 2)
        layers.append(
            SpikingLayer(
                layer.name, layer.shape, tuple(joined), layer.bias, layer.ceiling, v0, layer.origin
            )
        )
    return SpikingNetwork(
        network.input_shape,
        tuple(layers),
        how,
        output_shape=network.output_shape,
        sample_shape=network.sample_shape,
    )
