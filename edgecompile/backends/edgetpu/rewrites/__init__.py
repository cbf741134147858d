"""Rewrites of a quantized hub that turn what the Edge TPU lacks into what it has.

No number that the hub decided is changed: what a rewrite adds between an operator's input and its
result has parameters that follow from theirs. The build measures what it costs.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.backends.edgetpu.rewrites import activations, convolutions, pools, slices

Pass = Callable[[ir.Model], None]

PASSES: tuple[Pass, ...] = (
    activations.approximate_gelu,
    activations.write_out_hard_swish,
    activations.write_out_hard_sigmoid,
    activations.turn_leaky_relu_into_prelu,
    activations.turn_negation_into_product,
    activations.write_out_absolute_value,
    activations.turn_square_into_product,
    convolutions.fill_up_groups,
    convolutions.turn_depth_to_space_into_convolution,
    slices.turn_splits_into_slices,
    slices.turn_gathers_into_slices,
    slices.turn_strides_into_pools,
    # Sums first: the means that they become may be over channels.
    pools.turn_sums_into_means,
    pools.turn_channel_means_into_convolutions,
    pools.part_padding_from_stride,
)


def rewritten(hub: ir.Model) -> ir.Model:
    """A copy of a quantized hub after all passes; operators in float stay as they are."""
    result = ir.from_proto(ir.to_proto(hub))
    for each in PASSES:
        each(result)
    return result
