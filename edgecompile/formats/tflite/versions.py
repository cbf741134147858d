"""The lowest version of each TFLite operator that can do the job, so that old runtimes load it.

Source: tensorflow/lite/tools/versioning/op_version.cc. Operators whose version depends on more
than the type of their result (Conv, FullyConnected, Gelu, Resize) say it where they are written.
"""

from __future__ import annotations

_INTEGER = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "BATCH_MATMUL": 2, "CONCATENATION": 2,
    "GATHER": 2, "LEAKY_RELU": 2, "LOGISTIC": 2, "MAXIMUM": 2, "MAX_POOL_2D": 2, "MEAN": 2,
    "MINIMUM": 2, "MUL": 2, "PAD": 2, "PADV2": 2, "REDUCE_MAX": 2, "REDUCE_MIN": 2, "RELU": 2,
    "RELU6": 2, "SLICE": 2, "SOFTMAX": 2, "SPLIT_V": 2, "STRIDED_SLICE": 2,
    "SUB": 2, "TANH": 2, "TRANSPOSE": 2,
}  # fmt: skip
"""Those that take int8 in a later version than the first."""


_WIDE = {
    "ADD": 3, "AVERAGE_POOL_2D": 3, "BATCH_MATMUL": 3, "CONCATENATION": 3, "LEAKY_RELU": 2,
    "LOGISTIC": 3, "MAXIMUM": 4, "MAX_POOL_2D": 3, "MEAN": 3, "MINIMUM": 4, "MUL": 4, "PAD": 3,
    "PADV2": 3, "RELU": 3, "RELU6": 3, "SLICE": 4, "SOFTMAX": 3, "SUB": 5, "TANH": 3,
    "TRANSPOSE": 5,
}  # fmt: skip
"""Those that take int16 in a later version than the first."""


def lowest_version(name: str, bits: int) -> int:
    """The version of an operator with an int8 or int16 (`bits`) or a float32 (0) result."""
    return {0: {}, 8: _INTEGER, 16: _WIDE}[bits].get(name, 1)
