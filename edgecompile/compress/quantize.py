"""Quantize a float hub: the one place where the numbers of every device are decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.fallback import Fallback, fall_back
from edgecompile.compress.improve import Tuning, improve, last_resort
from edgecompile.compress.quality import Goal, Judge
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.sensitivity import measure_sensitivity
from edgecompile.graph.hub import Array


@dataclass(frozen=True)
class Wishes:
    """What may be done beyond plain post-training quantization to meet the goal."""

    budget: float | None = None
    least_db: float | None = None
    methods: Sequence[str] = ()
    time_limit: float | None = None
    fallback: Sequence[Fallback] = ()
    """Higher precisions that the targets have, the cheapest first."""
    fallback_operators: int = 0
    sensitivity: bool = False
    tuning: Tuning | None = None
    """The last resort."""


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


def quantize_for_budget(
    hub: ir.Model, calibration: Array, scheme: QuantScheme, judge: Judge, wishes: Wishes
) -> tuple[ir.Model, dict[str, Any]]:
    """The int8 QDQ hub that promises to hold the budget, and an account of how it came to be.

    Better numbers are tried first, higher precision last; both are judged on calibration samples.
    The account holds `trials`, `put_back` and `sensitivity` as rows of plain values.

    Raises:
        ToolchainFailed: NNCF fails.
        ContractError: the result breaks the hub's conventions.
    """
    decision, goal = decide(hub, calibration, scheme), Goal(wishes.budget, wishes.least_db)
    account: dict[str, Any] = {"trials": [], "put_back": [], "sensitivity": []}
    if wishes.sensitivity:
        rows = measure_sensitivity(decision, judge)
        account["sensitivity"] = [vars(row) for row in rows]
    decision, trials = improve(
        decision, calibration, judge, goal, wishes.methods, wishes.time_limit
    )
    account["trials"] = [vars(trial) for trial in trials]
    if wishes.fallback:
        decision, back = fall_back(
            decision, calibration, judge, goal, wishes.fallback, wishes.fallback_operators
        )
        account["put_back"] = [vars(row) for row in back]
    if wishes.tuning is not None:
        decision, trained = last_resort(decision, judge, goal, wishes.tuning)
        account["trials"] += [vars(trial) for trial in trained]
    return write_hub(decision), account
