"""A quantization that is decided, not yet written: numbers beside the float hub they are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgecompile.compress.bias_range import make_room_for_biases
from edgecompile.compress.gains import limit_gains
from edgecompile.compress.groups import same_params_groups
from edgecompile.compress.place import (
    Widths,
    absorb_clamps,
    place_activations,
    place_elementwise_constants,
    place_weights,
)
from edgecompile.compress.ptq import post_training_quantize
from edgecompile.compress.ranges import Range, observe_ranges
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.compress.sums import separate_from_ties
from edgecompile.compress.weights import QuantizedWeight, integer_weights
from edgecompile.graph.hub import Array, name_of, require_opset
from edgecompile.graph.provenance import carry_provenance
from edgecompile.graph.qdq import WIDE_QDQ_OPSET, TensorParams, fixed_output, require_qdq


@dataclass(frozen=True)
class Decision:
    """The integers of each weight (by node name) and the range of each activation (by tensor name)
    for the operators of `hub`, but for those that stay in float. The activations of `wide_nodes`
    are int16 whatever the scheme says."""

    hub: ir.Model
    scheme: QuantScheme
    weights: Mapping[str, QuantizedWeight]
    ranges: Mapping[str, Range]
    float_nodes: frozenset[str] = frozenset()
    wide_nodes: frozenset[str] = frozenset()


def decide(hub: ir.Model, calibration: Array, scheme: QuantScheme) -> Decision:
    """NNCF's post-training quantization of a float hub; what it leaves open, as observed.

    NNCF knows weights of 8 bits: those of 4 have the scales of least error. `calibration` is
    float32 (samples, *shape without batch).

    Raises:
        ToolchainFailed: NNCF fails.
    """
    ptq = post_training_quantize(hub, calibration, scheme)
    ranges = {**observe_ranges(hub, calibration), **ptq.ranges}
    weights: Mapping[str, QuantizedWeight] = ptq.weights
    if scheme.weight_bits == 4:
        weights = integer_weights(hub, per_channel=scheme.per_channel_weights, bits=4)
    return Decision(hub, scheme, weights, ranges)


def decide_by_range(hub: ir.Model, calibration: Array, scheme: QuantScheme) -> Decision:
    """The numbers by the ranges alone, of weights and of activations: in a hundredth of the time of
    `decide`, where it is not accuracy that matters. `calibration` as there."""
    weights = integer_weights(hub, per_channel=scheme.per_channel_weights, bits=scheme.weight_bits)
    return Decision(hub, scheme, weights, observe_ranges(hub, calibration))


def write_hub(decision: Decision) -> ir.Model:
    """The QDQ hub of a decision. The same decision gives the same bytes.

    Raises:
        ContractError: the result breaks the hub's conventions.
    """
    result = place(decision)
    absorb_clamps(result)
    carry_provenance(decision.hub, result)
    require_qdq(result, decision.scheme.name, decision.float_nodes)
    return result


def place(decision: Decision) -> ir.Model:
    """A copy of the decision's hub with its QDQ pairs; clamps still stand beside them."""
    hub, scheme = decision.hub, decision.scheme
    params, wide = activation_params(decision), {}
    if decision.wide_nodes:
        wide = activation_params(replace(decision, scheme=replace(scheme, activation_bits=16)))
    widths = Widths(params, wide, decision.wide_nodes, decision.float_nodes)
    result = ir.from_proto(ir.to_proto(hub))
    weights = make_room_for_biases(hub, decision.weights, params)
    place_weights(result, weights, decision.float_nodes)
    place_elementwise_constants(result, scheme, widths)
    place_activations(result, widths)
    if wide or scheme.activation_bits != 8 or scheme.weight_bits != 8:
        require_opset(result, WIDE_QDQ_OPSET)
    return result


def activation_params(decision: Decision) -> dict[str, TensorParams]:
    """Parameters of every activation, by tensor name.

    Tensors that one operator moves values between share the union of their ranges, and an operator
    whose kernel fixes its output fixes the whole group. Then the limits of kernels: no scale too
    fine for its operands, and those of sums away from ties.
    """
    hub, scheme = decision.hub, decision.scheme
    groups = same_params_groups(hub)
    fixed: dict[str, TensorParams] = {}
    for node in hub.graph:
        demanded = fixed_output(node.op_type, scheme.name, scheme.activation_bits)
        if demanded is not None:
            fixed[groups[name_of(node.outputs[0])]] = demanded
    ranges: dict[str, Range] = {}
    for name, group in groups.items():
        if name not in decision.ranges:
            continue
        low, high = decision.ranges[name]
        if group in ranges:
            low, high = min(low, ranges[group][0]), max(high, ranges[group][1])
        ranges[group] = (low, high)
    params = {
        name: fixed.get(group) or params_of_range(*ranges[group], scheme)
        for name, group in groups.items()
        if group in ranges
    }
    params = limit_gains(hub, decision.weights, params, groups, fixed.keys())
    if scheme.activation_bits == 16:
        return params
    return separate_from_ties(hub, params, groups, fixed.keys())
