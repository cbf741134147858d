"""Reading files back: ours as they are, damaged ones as a message, never as a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgecompile.backends.protocol import Inspection
from edgecompile.errors import UserError
from edgecompile.formats.tflite.lower import lower_hub
from edgecompile.formats.tflite.read import inspect_tflite
from tests.hubs import hub_of, quickly_quantized, samples_for


def small_file() -> bytes:
    hub = hub_of(
        "float[1,2,6,6] x",
        "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) f = Flatten(r) y = Gemm<transB=1>(f, v)",
        "float[3,2,3,3] w, float[3] b, float[4,108] v",
    )
    return lower_hub(quickly_quantized(hub, samples_for(hub)), "int8")


CONTENT = small_file()


def outcome(file: Path, content: bytes) -> Inspection | str:
    file.write_bytes(content)
    try:
        return inspect_tflite(file)
    except UserError as error:
        return error.message


def test_a_file_of_ours_is_read_back(tmp_path):
    facts = outcome(tmp_path / "model.tflite", CONTENT)
    assert isinstance(facts, Inspection)
    assert [operator.name for operator in facts.operators] == [
        "CONV_2D", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert [operator.version for operator in facts.operators] == [3, 1, 12]
    assert facts.size_bytes == len(CONTENT)
    (source,), (result,) = facts.inputs, facts.outputs
    assert (source.name, source.shape, source.dtype) == ("x", (1, 6, 6, 2), "int8")
    assert (result.shape, result.dtype, len(result.scale)) == ((1, 4), "int8", 1)
    # int8 weights, int32 biases, and the shape that RESHAPE reads.
    assert facts.weight_bytes == 3 * 2 * 9 + 3 * 4 + 4 * 108 + 4 * 4 + 2 * 4


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK\x03\x04TFL2....", b"\0" * 64])
def test_what_is_no_tflite_file_is_called_so(tmp_path, content):
    message = outcome(tmp_path / "model.tflite", content)
    assert message == "model.tflite is not a .tflite file"


def test_a_file_cut_anywhere_is_read_or_refused_with_a_message(tmp_path):
    for length in range(0, len(CONTENT), 37):
        found = outcome(tmp_path / "model.tflite", CONTENT[:length])
        assert isinstance(found, (Inspection, str))


DAMAGE = st.lists(
    st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=8
)


def damaged(changes) -> bytes:
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    return bytes(content)


@settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=5000)
@given(DAMAGE)
@example([(8, 255)])
def test_a_damaged_file_is_read_or_refused_with_a_message(tmp_path, changes):
    assert isinstance(outcome(tmp_path / "model.tflite", damaged(changes)), (Inspection, str))


@pytest.mark.full
@settings(max_examples=20_000, suppress_health_check=list(HealthCheck), deadline=5000)
@given(DAMAGE)
def test_thousands_of_damaged_files_are_read_or_refused_with_a_message(tmp_path, changes):
    assert isinstance(outcome(tmp_path / "model.tflite", damaged(changes)), (Inspection, str))


@pytest.mark.full
def test_every_byte_may_be_wrong(tmp_path):
    for place in range(len(CONTENT)):
        for value in (0, 0x7F, 0x80, 0xFF):
            found = outcome(tmp_path / "model.tflite", damaged([(place, value)]))
            assert isinstance(found, (Inspection, str))


@pytest.mark.full
def test_a_count_of_billions_costs_no_time(tmp_path):
    words = np.frombuffer(CONTENT[: len(CONTENT) // 4 * 4], np.uint32)
    for index in range(len(words)):
        changed = words.copy()
        changed[index] = 0x7FFFFFFF
        found = outcome(tmp_path / "model.tflite", changed.tobytes())
        assert isinstance(found, (Inspection, str))
