"""Quantize a float hub: the one place where the numbers of every device are decided."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecompile.compress.bias_range import make_room_for_biases
from edgecompile.compress.gains import limit_gains
from edgecompile.compress.groups import same_params_groups
from edgecompile.compress.place import (
    absorb_clamps,
    place_activations,
    place_elementwise_constants,
    place_weights,
)
from edgecompile.compress.ptq import PtqResult, post_training_quantize
from edgecompile.compress.ranges import Range, observe_ranges
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.compress.sums import separate_from_ties
from edgecompile.graph.hub import Array, name_of
from edgecompile.graph.provenance import carry_provenance
from edgecompile.graph.qdq import FIXED_OUTPUT, TensorParams, require_qdq


def quantize(
    hub: ir.Model,
    calibration: Array,
    scheme: QuantScheme,
    *,
    float_nodes: frozenset[str] = frozenset(),
) -> ir.Model:
    """The int8 QDQ hub of a float hub, by NNCF's post-training quantization.

    `calibration` is float32 (samples, *shape without batch). `float_nodes` names operators that
    stay in float. The float hub is not changed; the same inputs give the same bytes.

    Raises:
        ToolchainFailed: NNCF fails.
        ContractError: the result breaks the hub's conventions.
    """
    decided = post_training_quantize(hub, calibration, scheme)
    observed = observe_ranges(hub, calibration)
    params = activation_params(hub, decided, observed, scheme)
    result = ir.from_proto(ir.to_proto(hub))
    weights = make_room_for_biases(hub, decided.weights, params)
    place_weights(result, weights, float_nodes)
    place_elementwise_constants(result, scheme, params, float_nodes)
    place_activations(result, params, float_nodes)
    absorb_clamps(result)
    carry_provenance(hub, result)
    require_qdq(result, scheme.name, float_nodes)
    return result


def activation_params(
    hub: ir.Model,
    decided: PtqResult,
    observed: Mapping[str, Range],
    scheme: QuantScheme,
) -> dict[str, TensorParams]:
    """Parameters of every activation: the `decided` ranges where there are, else `observed` ones.

    Tensors that one operator moves values between share the union of their ranges, and an operator
    whose kernel fixes its output fixes the whole group. Then the limits of kernels: no scale too
    fine for its operands, and those of sums away from ties.
    """
    groups = same_params_groups(hub)
    fixed: dict[str, TensorParams] = {}
    for node in hub.graph:
        table = FIXED_OUTPUT[scheme.name]
        if node.op_type in table:
            fixed[groups[name_of(node.outputs[0])]] = table[node.op_type]
    ranges: dict[str, Range] = {}
    for name, group in groups.items():
        if name not in observed:
            continue
        low, high = decided.ranges.get(name, observed[name])
        if group in ranges:
            low, high = min(low, ranges[group][0]), max(high, ranges[group][1])
        ranges[group] = (low, high)
    params = {
        name: fixed.get(group) or params_of_range(*ranges[group], scheme)
        for name, group in groups.items()
        if group in ranges
    }
    params = limit_gains(hub, decided.weights, params, groups, fixed.keys())
    return separate_from_ties(hub, params, groups, fixed.keys())
