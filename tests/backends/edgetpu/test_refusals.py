"""What must not go to the compiler is an error; whatever the bytes are, there is a finding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompile.backends.edgetpu.backend import EdgeTpuBackend
from edgecompile.backends.edgetpu.refusals import find_refusals
from edgecompile.findings import Finding
from edgecompile.recipe.target import Target
from tests.backends.edgetpu.files import File
from tests.backends.edgetpu.test_mapping import IMAGE, MAPPED, UNMAPPED, one

TARGET = Target.model_validate(
    {"name": "chip", "title": "a chip", "backend": "edgetpu", "precisions": ["int8"]}
)


def per_channel_dense(version, scales=3):
    file = File()
    weight = file.constant(np.ones((3, 4)), scales=scales)
    inputs = [file.x(1, 4), weight, -1]
    options = "FullyConnectedOptions"
    return file.graph(file.op("FULLY_CONNECTED", inputs, (1, 3), options, version))


@pytest.mark.parametrize("version", [1, 4, 5, 9, 11])
def test_a_product_with_a_scale_per_channel_in_an_old_version_is_refused(version):
    rules = [f.rule for f in find_refusals(per_channel_dense(version))]
    assert "edgetpu-per-channel-dense" in rules


def test_old_runtimes_compute_something_else_is_what_it_says():
    (finding,) = find_refusals(per_channel_dense(4))
    assert finding.level == "error"
    assert "old runtimes compute something else and say nothing" in finding.message
    assert finding.remedy is not None and finding.reference is not None


def test_a_product_with_one_scale_is_not_refused():
    assert find_refusals(per_channel_dense(4, scales=1)) == []


def test_the_new_version_cannot_be_read():
    (finding,) = find_refusals(per_channel_dense(12))
    assert finding.message == (
        "the compiler cannot read FULLY_CONNECTED of version 12: it reads up to version 9"
    )


def test_an_operator_younger_than_the_compiler_is_refused():
    file = File()
    (finding,) = find_refusals(file.graph(one("GELU")(file)))
    assert finding.message == "the compiler cannot read GELU of version 1: it has no such operator"


def test_a_file_without_operators_is_refused():
    file = File()
    assert [f.rule for f in find_refusals(file.graph(file.x(1, 4)))] == ["edgetpu-empty"]


def check(tmp_path, content: bytes) -> tuple[Finding, ...]:
    file = tmp_path / "theirs.tflite"
    file.write_bytes(content)
    return EdgeTpuBackend().check_artifact(file, TARGET).findings


def outside_buffers() -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    file = File()
    model = schema.ModelT.InitFromPackedBuf(file.content(one("RELU")(file)), 0)
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 4096, 64
    model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_constants_behind_the_flatbuffer_are_refused(tmp_path):
    assert [f.rule for f in check(tmp_path, outside_buffers())] == ["edgetpu-buffers"]


def test_a_good_file_of_a_stranger_has_nothing_said_about(tmp_path):
    file = File()
    assert check(tmp_path, file.content(one("RELU")(file))) == ()


def test_a_file_of_which_nothing_is_mapped_is_refused(tmp_path):
    file = File()
    found = check(tmp_path, file.content(one("HARD_SWISH")(file)))
    assert [(f.level, f.rule) for f in found] == [
        ("warning", "edgetpu-cpu"),
        ("error", "edgetpu-nothing"),
    ]


def test_operators_of_one_kind_are_one_finding(tmp_path):
    file = File()
    y = file.op("RELU", [file.x(*IMAGE)], IMAGE)
    for _ in range(7):
        y = file.op("HARD_SWISH", [y], IMAGE)
    (finding,) = check(tmp_path, file.content(y))
    assert finding.message.startswith("operator 1, 2, 3, 4, 5 and 2 more: HARD_SWISH runs on")


CONTENTS = []
for make in (*MAPPED.values(), *(entry[0] for entry in UNMAPPED.values())):
    small = File()
    content = small.content(make(small))
    if len(content) < 4000:
        CONTENTS.append(content)


def damaged(content: bytes, changes) -> bytes:
    wrong = bytearray(content)
    for place, value in changes:
        wrong[place % len(wrong)] = value
    return bytes(wrong)


CHANGES = st.lists(st.tuples(st.integers(0, 3999), st.integers(0, 255)), min_size=1, max_size=8)


def assert_told(tmp_path, content):
    findings = check(tmp_path, content)
    assert all(isinstance(finding, Finding) for finding in findings)


@pytest.mark.parametrize("bytes_", [b"", b"\0" * 7, b"TFL3" * 3, b"\xff" * 64, b"\0\0\0\0TFL3"])
def test_what_is_no_file_is_a_finding(tmp_path, bytes_):
    (finding,) = check(tmp_path, bytes_)
    assert (finding.level, finding.rule) == ("error", "edgetpu-damaged")


@settings(max_examples=300)
@given(st.sampled_from(CONTENTS), CHANGES)
def test_a_damaged_file_never_crashes_the_check(tmp_path_factory, content, changes):
    assert_told(tmp_path_factory.getbasetemp(), damaged(content, changes))


@settings(max_examples=100)
@given(st.sampled_from(CONTENTS), st.integers(0, 3999))
def test_a_file_cut_short_never_crashes_the_check(tmp_path_factory, content, length):
    assert_told(tmp_path_factory.getbasetemp(), content[: length % len(content)])


@pytest.mark.full
@settings(max_examples=20_000)
@given(st.sampled_from(CONTENTS), CHANGES)
def test_many_damaged_files_never_crash_the_check(tmp_path_factory, content, changes):
    assert_told(tmp_path_factory.getbasetemp(), damaged(content, changes))
