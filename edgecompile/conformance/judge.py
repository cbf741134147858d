"""One case by one backend: is the artifact built, and does it compute what its hub says?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import onnx_ir as ir

from edgecompile.backends import steps
from edgecompile.backends.protocol import MayRoundLess, Run
from edgecompile.backends.registry import get_backend
from edgecompile.digest import digest_path
from edgecompile.errors import EdgecompileError, TargetCannotRun
from edgecompile.recipe.schema import INTEGER_BITS, Precision
from edgecompile.recipe.target import Target

if TYPE_CHECKING:
    from edgecompile.graph.hub import Array

Status = Literal["ok", "same", "finer", "refused", "wrong", "crashed"]
"""`same`: the precision changes nothing about the case's hub; `refused`: the backend said so;
`finer`: other than the hub, and nearer to the float network, by a backend that `MayRoundLess`."""

FLOAT_ERROR = 1e-4
"""Of the largest output: float sums in another order, and another exponential function."""
HALF_ERROR = 1e-2
"""The same where a device may compute in float16, which has 11 bits."""
DYNAMIC_ERROR = 0.03
"""The same where the runtime rounds activations to 8 bits on the way."""
WIDE_ERROR = 5e-4
"""The same for activations of 16 bits: sixteen of their steps."""
FROM_TIE = 0.125
"""Of a step: a value of the input that is nearer to a rounding tie a device may round either way.
So far off is a float16, of 11 bits, that is 255 steps large: as Core ML's package takes its input,
and as Qualcomm's emulator quantizes it."""
LEAST_DB = 20.0
"""Of a whole network, as `agreement.lower` of a recipe by default: roundings add up on the way."""


@dataclass(frozen=True)
class Verdict:
    """What came of one case in one precision. `difference` and `allowed` are in `unit`; `rule` is
    that of the finding that refused it."""

    operator: str
    case: str
    precision: str
    status: Status
    difference: float | None = None
    allowed: float | None = None
    unit: str = ""
    rule: str = ""
    message: str = ""


@dataclass(frozen=True)
class Subject:
    """What is judged: a float hub, samples (samples, *shape without batch), and what it is."""

    operator: str
    case: str
    hub: ir.Model
    samples: Array
    lsb: int | None
    """How far an int8 artifact may be from its hub; None: a whole network, judged in dB."""
    spread: float = 1.0


def in_precision(hub: ir.Model, precision: Precision, samples: Array, target: Target) -> ir.Model:
    """The hub with its numbers decided, by ranges alone: it is not accuracy that is judged here."""
    from edgecompile.compress.decision import decide_by_range, write_hub
    from edgecompile.compress.narrow import narrow
    from edgecompile.compress.scheme import QuantScheme

    if precision == "fp32":
        return hub
    if precision in INTEGER_BITS:
        scheme = QuantScheme(target.scheme, True, *INTEGER_BITS[precision])
        return write_hub(decide_by_range(hub, samples, scheme))
    return narrow(hub, precision, per_channel=True, calibration=samples)


def _of_8_bits(precision: Precision) -> bool:
    return precision in INTEGER_BITS and INTEGER_BITS[precision][0] == 8


def away_from_ties(hub: ir.Model, samples: Array) -> Array:
    """Samples for the hub's one input, of which none is nearer than `FROM_TIE` to a tie of it."""
    import numpy as np

    from edgecompile.graph.qdq import tensor_params

    readers = [use.node for use in hub.graph.inputs[0].uses()]
    scales = [tensor_params(node).scale for node in readers if node.op_type == "QuantizeLinear"]
    if not scales:
        return samples
    steps = samples.astype(np.float64) / scales[0]
    tie = np.floor(steps) + 0.5
    side = np.where(steps < tie, -1, 1)
    moved = tie + side * np.maximum(np.abs(steps - tie), FROM_TIE)
    kept: Array = (moved * scales[0]).astype(np.float32)
    return kept


def judge(
    subject: Subject, target: Target, precision: Precision, count: int, *, twice: bool
) -> Verdict:
    """Check, lower and run as a build does; compare `count` samples with ONNX Runtime on the hub.

    `twice` lowers again, which must give the same bytes.

    Whatever the backend does is told in the verdict, an exception too: it may be anyone's.
    """
    from edgecompile.graph.hub import save

    def verdict(status: Status, **more: Any) -> Verdict:
        return Verdict(subject.operator, subject.case, precision, status, **more)

    hub = in_precision(subject.hub, precision, subject.samples, target)
    if precision != "fp32" and ir.to_proto(hub).graph == ir.to_proto(subject.hub).graph:
        return verdict("same")
    if _of_8_bits(precision):
        subject = replace(subject, samples=away_from_ties(hub, subject.samples))
    with tempfile.TemporaryDirectory(prefix="edgecompile-conformance-") as place:
        folder = Path(place)
        save(subject.hub, folder / "float.onnx")
        save(hub, folder / "hub.onnx")
        try:
            outputs = _built_and_run(folder, target, precision, subject.samples[:count], twice)
        except _Refused as refusal:
            return verdict("refused", rule=refusal.rule, message=refusal.message)
        except EdgecompileError as error:
            return verdict("crashed", message=error.message)
        except Exception as error:  # a stranger's backend may raise whatever it likes
            return verdict("crashed", message=f"{type(error).__name__}: {error}")
    if outputs is None:
        return verdict("wrong", message="the same hub lowered twice gives other bytes")
    compared = _compared(subject, hub, precision, outputs)
    if compared["status"] == "wrong" and compared.get("unit") == "LSB" and _rounds_less(target):
        compared |= _nearer_to_float(subject, hub, outputs)
    return verdict(**compared)


class _Refused(Exception):
    """The backend says that the target cannot run the case, by which rule and why."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule, self.message = rule, message


def _built_and_run(
    folder: Path, target: Target, precision: Precision, samples: Array, twice: bool
) -> Sequence[Array] | None:
    """The artifact's outputs; None where lowering `twice` gives other bytes."""
    parameters = {"target": target.model_dump(mode="json"), "precision": precision}
    checked = steps.check({"hub": folder / "float.onnx"}, parameters, folder)
    for finding in checked["findings"]:
        if finding["level"] == "error":
            raise _Refused(finding["rule"], finding["message"])
    for name in ("artifact", "again")[: 1 + twice]:
        (folder / name).mkdir()
        try:
            steps.lower({"hub": folder / "hub.onnx"}, parameters, folder / name)
        except TargetCannotRun as error:
            raise _Refused("lower", error.message) from error
    if twice and digest_path(folder / "artifact") != digest_path(folder / "again"):
        return None
    backend = get_backend(target.backend)
    ran = backend.run(folder / "artifact" / backend.main_file, samples, target.options)
    return ran.outputs if isinstance(ran, Run) else ran


def _rounds_less(target: Target) -> bool:
    backend = get_backend(target.backend)
    return isinstance(backend, MayRoundLess) and backend.rounds_less(target)


def _nearer_to_float(subject: Subject, hub: ir.Model, outputs: Sequence[Array]) -> dict[str, Any]:
    """`finer` where the outputs are nowhere as far from the float network's as the hub's are."""
    from edgecompile.evaluate.session import run_onnx
    from edgecompile.graph.hub import serialize

    samples = subject.samples[: len(outputs[0])]
    exact, rounded = run_onnx(serialize(subject.hub), samples), run_onnx(serialize(hub), samples)
    own, of_hub = _steps_apart(hub, exact, outputs), _steps_apart(hub, exact, rounded)
    told = f"{own:.1f} LSB from the float network, where the hub is {of_hub:.1f}"
    return {"status": "finer", "message": told} if own < of_hub else {}


def _steps_apart(hub: ir.Model, expected: Sequence[Array], outputs: Sequence[Array]) -> float:
    """The largest difference, in steps of the output that it is at."""
    import numpy as np

    from edgecompile.graph.qdq import output_scales

    return max(
        float(np.abs((b - a).astype(np.float64) / _step(a, scale)).max())
        for a, b, scale in zip(expected, outputs, output_scales(hub), strict=True)
    )


def _compared(
    subject: Subject, hub: ir.Model, precision: Precision, outputs: Sequence[Array]
) -> dict[str, Any]:
    import numpy as np

    from edgecompile.evaluate.session import run_onnx
    from edgecompile.graph.hub import serialize

    expected = run_onnx(serialize(hub), subject.samples[: len(outputs[0]) if outputs else 1])
    shapes = [[*array.shape] for array in outputs]
    wanted = [[*array.shape] for array in expected]
    if shapes != wanted:
        return {"status": "wrong", "message": f"outputs of shape {shapes} and not {wanted}"}
    if not all(np.isfinite(array).all() for array in outputs):
        return {"status": "wrong", "message": "outputs that are no numbers"}
    if subject.lsb is None:
        return _in_db(expected, outputs)
    if _of_8_bits(precision):
        steps = float(np.rint(_steps_apart(hub, expected, outputs)))
        return _within(steps, float(subject.lsb), "LSB")
    pairs = zip(expected, outputs, strict=True)
    differences = [float(np.abs(b - a).max() / max(np.abs(a).max(), 1e-6)) for a, b in pairs]
    return _within(max(differences), _allowed(precision, subject.spread), "of the largest output")


def _step(expected: Array, scale: float | None) -> float:
    """The output's own step; of a float output, 1/255 of its range."""
    return scale if scale is not None else max(float(expected.max() - expected.min()), 1e-6) / 255


def _allowed(precision: Precision, spread: float) -> float:
    if precision == "dynamic":
        return DYNAMIC_ERROR * max(1.0, spread)  # a clamp hides how large the sums were
    if precision in INTEGER_BITS:
        return WIDE_ERROR
    return FLOAT_ERROR if precision == "fp32" else HALF_ERROR


def _within(difference: float, allowed: float, unit: str) -> dict[str, Any]:
    status = "ok" if difference <= allowed else "wrong"
    return {"status": status, "difference": difference, "allowed": allowed, "unit": unit}


def _in_db(expected: Sequence[Array], outputs: Sequence[Array]) -> dict[str, Any]:
    """The worst output's centred signal-to-noise ratio; equal outputs have none."""
    from edgecompile.evaluate.agreement import compare

    found = compare(expected, outputs).sqnr_db
    status = "ok" if found is None or found >= LEAST_DB else "wrong"
    return {"status": status, "difference": found, "allowed": LEAST_DB, "unit": "dB"}


def judge_cases(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Step: the cases called `parameters["cases"]` -> `verdicts`, as plain data."""
    from edgecompile.conformance.cases import CASES

    by_name = {str(case): case for case in CASES}
    subjects = [
        Subject(case.op, case.name, case.hub(), case.samples(), case.lsb, case.spread)
        for case in (by_name[name] for name in parameters["cases"])
    ]
    return _judged(subjects, parameters)


def judge_network(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Step: a whole network, its float hub and samples -> `verdicts`, as plain data."""
    import numpy as np

    from edgecompile.graph.hub import load

    samples = np.load(inputs["samples"], mmap_mode="r")[: parameters["calibration"]]
    name = parameters["name"]
    return _judged([Subject(name, name, load(inputs["hub"]), np.array(samples), None)], parameters)


def _judged(subjects: Sequence[Subject], parameters: Mapping[str, Any]) -> dict[str, Any]:
    target = Target.model_validate(parameters["target"])
    rows = [  # once for each operator: that is enough to see a date or a random order
        judge(subject, target, parameters["precision"], parameters["count"], twice=index == 0)
        for index, subject in enumerate(subjects)
    ]
    return {"verdicts": [asdict(row) for row in rows]}
