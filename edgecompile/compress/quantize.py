"""Quantize a float hub: the one place where the numbers of every device are decided."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.scheme import QuantScheme
from edgecompile.graph.hub import Array


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
    return write_hub(replace(decide(hub, calibration, scheme), float_nodes=float_nodes))
