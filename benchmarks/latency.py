"""Latency of .tflite files in LiteRT, one thread, interleaved so that both see the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecompile.formats.tflite.run import new_interpreter

ROUNDS = 300
WARM_UP = 30


def median_microseconds(files: Sequence[Path]) -> list[float]:
    """CPU microseconds of one inference, the median over 300 interleaved rounds, per file."""
    interpreters = [new_interpreter(f.read_bytes(), f.name, "xnnpack") for f in files]
    generator = np.random.default_rng(0)
    for interpreter in interpreters:
        details = interpreter.get_input_details()[0]
        values = generator.integers(-128, 128, details["shape"], np.int8)
        interpreter.set_tensor(details["index"], values)
    times: list[list[float]] = [[] for _ in files]
    for turn in range(WARM_UP + ROUNDS):
        for index, interpreter in enumerate(interpreters):
            started = time.thread_time_ns()
            interpreter.invoke()
            if turn >= WARM_UP:
                times[index].append((time.thread_time_ns() - started) / 1000)
    return [statistics.median(values) for values in times]
