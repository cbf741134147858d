"""The recipe: which model, which data, which losses are allowed, for which targets."""

from __future__ import annotations

import re
import typing
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from edgecompile.recipe.validation import Strict

Precision = Literal[
    "fp32",
    "fp16",
    "w8",
    "w4",
    "lut8",
    "lut6",
    "lut4",
    "dynamic",
    "int8",
    "a16w8",
    "a8w4",
    "a16w4",
    "spiking",
]
"""`wN`: weights of N bits, float arithmetic. `lutN`: weights that are numbers of N bits into a
table of values, float arithmetic. `dynamic`: the numbers of `w8`, on runtimes that quantize the
activations as they come. `aMwN`: integers of M bits for activations and N for weights; `int8` is 8
and 8. `spiking`: neurons that integrate and fire; what holds only it is built in it, whatever the
recipe says."""

INTEGER_BITS: dict[Precision, tuple[Literal[8, 16], Literal[4, 8]]] = {
    "int8": (8, 8),
    "a16w8": (16, 8),
    "a8w4": (8, 4),
    "a16w4": (16, 4),
}
"""Bits of activations and of weights of the precisions whose activations are integers."""

CALIBRATED: frozenset[Precision] = frozenset({*INTEGER_BITS, "w4"})
"""The precisions that calibration data decide about."""
BuiltinMetric = Literal["top1", "top5", "auc", "map50", "miou", "mse", "sqnr"]
DType = Literal["float32"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REFERENCE = re.compile(r"[^:\n]+:[A-Za-z_]\w*")


def check_name(name: str) -> str:
    """`name`, if it can be the name of a folder.

    Raises:
        ValueError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"'{name}' may hold only letters, digits, '.', '_' and '-', and starts with one of the "
            "first two"
        )
    return name


def _check_reference(reference: str) -> str:
    if not _REFERENCE.fullmatch(reference):
        raise ValueError(f"'{reference}' is not of the form model.py:function")
    return reference


def _check_data(written: str) -> str:
    return _check_reference(written) if ":" in written else written


def _check_batch(shape: list[int]) -> list[int]:
    if shape[0] != 1:
        raise ValueError(f"the first dimension is the batch and must be 1, not {shape[0]}")
    return shape


def _check_metric(metric: str) -> str:
    if ":" not in metric and metric not in BuiltinMetric.__args__:  # type: ignore[attr-defined]
        known = ", ".join(BuiltinMetric.__args__)  # type: ignore[attr-defined]
        raise ValueError(f"'{metric}' is neither a built-in metric ({known}) nor model.py:score")
    return _check_reference(metric) if ":" in metric else metric


Name = Annotated[str, AfterValidator(check_name)]
Reference = Annotated[str, AfterValidator(_check_reference)]
Data = Annotated[str, AfterValidator(_check_data)]


class ModelInput(Strict):
    """The one tensor that the model takes."""

    shape: Annotated[
        list[Annotated[int, Field(ge=1)]], Field(min_length=2), AfterValidator(_check_batch)
    ]
    """Static shape with the batch dimension, which must be 1: [1, 3, 32, 32]."""
    dtype: DType = "float32"
    steps: Annotated[int, Field(ge=2)] | None = None
    """Where the samples are spikes: the data are [samples, steps, 3, 32, 32], of 0, 1, counts or
    signed ones. A spiking chip gets them step by step; the network itself sees their mean."""


class ModelSpec(Strict):
    """Where the network and its weights come from."""

    source: Reference
    """`model.py:build` or `package.module:factory`: called without arguments, returns a Module."""
    weights: str | None = None
    """A .safetensors file, or a .pt/.pth state dict (read with weights_only=True)."""
    input: ModelInput


class DataSpec(Strict):
    """Calibration and evaluation data: an .npz with `inputs` and `labels`, or a function."""

    calibration: Data
    evaluation: Data
    train: Data | None = None
    """For fine-tuning; it must share no sample with the other two."""
    prepare: Reference | None = None
    """Turns stored inputs into model inputs, float32 (samples, *shape without batch)."""
    emulated_samples: Annotated[int, Field(ge=1)] | None = None
    """At most so many evaluation samples, evenly spread, on emulators of devices. Missing: all, or
    as many as the emulator is expected to run in half a minute, at least 16 labels."""


class MetricFunction(Strict):
    """A scoring function of the user's, `score(outputs, labels[, inputs]) -> float`."""

    function: Reference
    higher_is_better: bool = True
    points: Annotated[float, Field(gt=0)] = 100.0
    """How many budget points one unit of the metric is worth: 100 for a fraction."""


class FineTune(Strict):
    """Training on `data.train`, with the network as it was before the stage for a teacher."""

    epochs: Annotated[int, Field(ge=1)] = 3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    schedule: Literal["cosine", "constant"] = "cosine"
    batch: Annotated[int, Field(ge=2)] = 64
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the loss that pulls to the teacher's outputs, the rest being cross-entropy to the
    labels. With another metric than top1 and top5 it is the whole loss."""
    augment: list[Literal["crop", "flip", "mixup", "cutmix"]] = []
    """Random changes of images: those that leave their labels true, and mixtures of two images,
    whose labels are mixed too."""


class PruneFineTune(FineTune):
    """Training after each iteration of pruning."""

    hints: Annotated[float, Field(ge=0)] = 0.0
    """Weight of a further loss: how far what goes into each layer is from what goes into it in the
    unpruned model, squared, in units of its variance."""


class QuantizeFineTune(FineTune):
    """Quantization-aware training: the numbers of the float model are taught to be rounded."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """In parts of each weight's range."""
    distillation: Annotated[float, Field(ge=0, le=1)] = 1.0


class PruneStage(Strict):
    """What is taken out of the network before it is exported."""

    method: Literal["structured", "unstructured", "2:4"] = "structured"
    """Whole channels; single weights; two of each four weights along the input channels."""
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of `measure` that goes; of the weights, where single ones go."""
    measure: Literal["macs", "parameters", "memory", "latency"] = "macs"
    """For method: structured. `memory`: weights, and the most activations at once. `latency`: the
    least that `target` can take, by its published peaks."""
    target: Name | None = None
    """For measure: latency."""
    importance: Literal["l1", "l2", "taylor"] = "l2"
    iterations: Annotated[int, Field(ge=1)] = 1
    finetune: PruneFineTune | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_method(self) -> PruneStage:
        if self.method == "2:4" and self.ratio != 0.5:
            raise ValueError(
                f"method 2:4 takes two of each four: the ratio is 0.5, not {self.ratio:g}"
            )
        if self.method != "structured" and "measure" in self.model_fields_set:
            raise ValueError(f"'measure' has no meaning with method {self.method}")
        if (self.measure == "latency") != (self.target is not None):
            raise ValueError("'target' goes with measure: latency, and only with it")
        return self


ImproveMethod = Literal["equalize", "ranges", "rounding", "biases"]


class QuantizeStage(Strict):
    """How numbers are made small."""

    precision: Precision = "int8"
    calibration_samples: Annotated[int, Field(ge=1)] = 256
    """Spread evenly over the calibration data."""
    per_channel: bool = True
    """One weight scale per output channel; false: one per tensor."""
    improve: Literal["auto"] | list[ImproveMethod] = "auto"
    """What to try when plain int8 does not promise to hold the budget: auto is all, [] nothing."""
    fallback: bool = False
    """Put operators back to float, the fewest that hold the budget, on targets that have it."""
    fallback_operators: Annotated[int, Field(ge=1)] = 8
    """At most so many."""
    finetune: QuantizeFineTune | None = None
    """The last resort, where neither `improve` nor `fallback` promises to hold the budget."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of fine-tuning."""
    sensitivity: bool = False
    """Measure what the quantization of each operator costs by itself."""
    time_limit: Annotated[float, Field(gt=0)] | None = None
    """Seconds for `improve`. A result that it cuts short depends on the machine."""


def improve_methods(stage: QuantizeStage) -> list[str]:
    """The methods that the stage may try."""
    if stage.improve == "auto":
        return list(typing.get_args(ImproveMethod))
    return list(stage.improve)


class SpikeStage(Strict):
    """How activations become spikes, for targets of spiking neurons."""

    calibration_samples: Annotated[int, Field(ge=1)] = 256
    """At most so many, of every other calibration sample, decide the thresholds."""
    epochs: Annotated[int, Field(ge=0)] = 5
    """Of fine-tuning on `data.train`, where plain conversion does not hold the budget or a pool
    takes the maximum; kept only if the validation samples gain."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    batch: Annotated[int, Field(ge=2)] = 64
    seed: Annotated[int, Field(ge=0)] = 0


class Stages(Strict):
    """The stages between the PyTorch model and lowering."""

    prune: PruneStage | None = None
    quantize: QuantizeStage = QuantizeStage()
    spike: SpikeStage = SpikeStage()


def training_stages(recipe: Recipe) -> list[str]:
    """The stages that train on `data.train`."""
    prune, quantize = recipe.stages.prune, recipe.stages.quantize
    trains = {
        "prune": prune is not None and prune.finetune is not None,
        "quantize": quantize.precision in INTEGER_BITS and quantize.finetune is not None,
    }
    return [stage for stage, does in trains.items() if does]


class Budgets(Strict):
    """Points of the metric that may be lost, per step against the step before, and in total.

    A negative budget demands a gain. A missing budget allows any loss, which the report shows.
    """

    prune: float | None = None
    """For all iterations together."""
    export: float | None = 0.0
    simplify: float | None = 0.0
    quantize: float | None = None
    lower: float | None = None
    total: float | None = None
    spike: float | None = 1.0
    """What a spiking target may lose against the PyTorch model, in place of quantize, lower and
    total. It decides how many steps an inference takes."""


class Agreement(Strict):
    """The least centred signal-to-noise ratio, in dB, between a step's outputs and those before.

    A metric alone does not catch a wrong conversion: it can even rise while outputs are wrong.
    Lossless steps must agree to rounding; `lower` must carry the hub's numbers.
    """

    prune: float | None = None
    export: float | None = 60.0
    simplify: float | None = 60.0
    quantize: float | None = None
    lower: float | None = 20.0


def _kind_of_metric(metric: Any) -> str:
    return "<mapping>" if isinstance(metric, dict | MetricFunction) else "<name>"


AnyMetric = Annotated[
    Annotated[str, AfterValidator(_check_metric), Tag("<name>")]
    | Annotated[MetricFunction, Tag("<mapping>")],
    Discriminator(_kind_of_metric),
]
"""Told apart by what was written, so that a wrong key in a mapping is not called a wrong text."""


class Recipe(Strict):
    """One model, and what may be done to it."""

    name: Name
    description: str = ""
    model: ModelSpec
    data: DataSpec
    metric: AnyMetric = "top1"
    stages: Stages = Stages()
    lower: dict[Name, dict[str, Any]] = {}
    """Options of backends for this build, over those of the targets: {tflite: {io: uint8}}."""
    budgets: Budgets = Budgets()
    agreement: Agreement = Agreement()
    targets: Annotated[list[Name], Field(min_length=1)]


def recipe_json_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors."""
    return Recipe.model_json_schema()
