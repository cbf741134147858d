"""Samples as spikes, deterministically: the same sample gives the same spikes on every machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgecompile.backends.spiking.network import (
    GRADED_LEVELS,
    INPUT,
    Connection,
    InputCoding,
    SpikingNetwork,
)

if TYPE_CHECKING:
    import torch


class Encoder:
    """The input population of some samples (samples, channels, height, width), step by step."""

    def __init__(self, coding: InputCoding, samples: torch.Tensor) -> None:
        import torch

        self._graded = coding.kind == "graded"
        share = (samples / coding.scale).clamp(-1 if coding.signed else 0, 1)
        if coding.on_off:
            share = torch.cat([share.clamp(min=0), (-share).clamp(min=0)], 1)
        if self._graded:
            self._value = torch.round(share * GRADED_LEVELS)
            return
        self._sign, self._size = torch.sign(share), share.abs()
        self._potential = torch.full_like(share, 0.5)

    def step(self) -> torch.Tensor:
        """The spikes of the next step: graded ones -255..255, events 0, 1 or, signed, -1."""
        if self._graded:
            return self._value
        self._potential += self._size
        fired = (self._potential >= 1).to(self._size.dtype)
        self._potential -= fired
        return fired * self._sign


def split_signs(network: SpikingNetwork) -> SpikingNetwork:
    """The same network with twice as many input channels, which spike for the positive and for the
    negative values: for chips whose input events have no sign.

    A dense connection from the input sees the channels in the same order, the negative ones last.
    """
    coding = network.coding
    if not coding.signed or coding.on_off:
        return network

    def doubled(connection: Connection) -> Connection:
        if connection.source != INPUT:
            return connection
        if connection.groups > 1:
            raise NotImplementedError("a grouped convolution of a signed input")
        weight = np.concatenate([connection.weight, -connection.weight], axis=1)
        return replace(connection, weight=weight)

    layers = tuple(
        replace(layer, connections=tuple(doubled(c) for c in layer.connections))
        for layer in network.layers
    )
    channels, height, width = network.input_shape
    return replace(
        network,
        layers=layers,
        coding=replace(coding, on_off=True),
        input_shape=(2 * channels, height, width),
    )
