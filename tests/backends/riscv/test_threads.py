"""A network that is split between cores gives what one core gives."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from edgecompile.backends.riscv.backend import RiscvBackend
from edgecompile.backends.riscv.emulator import run_all
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.options import RiscvOptions
from tests.backends.riscv import hand_made
from tests.backends.riscv.hosted import compile_c, run_function
from tests.hubs import hub_of, quickly_quantized, samples_for

HUB = hub_of(
    "float[1,8,21,16] x",
    "a = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(a) "
    "d = Conv<group=16, pads=[1,1,1,1], strides=[2,1]>(r, v) "
    "e = Conv<strides=[1,2], pads=[1,0,2,1]>(d, u) "
    "p = Reshape(e, s) q = Transpose<perm=[0,2,1]>(p) y = MatMul(q, m)",
    "float[16,8,3,3] w, float[16] b, float[16,1,3,3] v, float[24,16,3,3] u, "
    "int64[3] s = {1, 24, -1}, float[24,40] m",
)
SAMPLES = samples_for(HUB, 3)
HUBS = {"float": HUB, "int8": quickly_quantized(HUB, SAMPLES)}


@pytest.mark.parametrize("isa", ["rv64gcv", "rv64gc", "rv32imac"])
@pytest.mark.parametrize("kind", HUBS)
def test_several_cores_give_the_same_numbers(tmp_path, kind, isa):
    outputs = {}
    for threads in (1, 2, 3, 7):
        program = generate(HUBS[kind], parse_isa(isa), threads=threads)
        text = program.sources["model.c"]
        assert ("pthread" in text) == (threads > 1)
        assert text.count("static void split") == (4 if threads > 1 else 0)
        folder = tmp_path / str(threads)
        folder.mkdir()
        for file, content in program.sources.items():
            (folder / file).write_text(content)
        how = ("-pthread",) if threads != 2 else ("-DTHREADS=1",)
        library = compile_c(folder / "model.c", ("-O1", *how))
        (outputs[threads],) = run_function(
            library.model_run, program, np.tile(SAMPLES, (8, 1, 1, 1))
        )
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(outputs[threads], outputs[1])


def test_small_operators_are_not_split():
    hub = hub_of("float[1,4] x", "y = MatMul(x, w)", "float[4,4] w")
    assert "pthread" not in generate(hub, parse_isa("rv64gc"), threads=4).sources["model.c"]


@pytest.mark.usefixtures("toolchain")
def test_the_program_does_the_parts_with_one_core_and_make_links_threads(tmp_path):
    outputs = {}
    for threads in (1, 3):
        target = hand_made.target("rv64gc", threads=threads)
        folder = tmp_path / str(threads)
        folder.mkdir()
        findings = RiscvBackend().lower(HUBS["int8"], target, folder)
        assert [finding.rule for finding in findings] == ["riscv-threads"] * (threads > 1)
        (outputs[threads],) = run_all(folder / "model.elf", SAMPLES)
    np.testing.assert_array_equal(outputs[3], outputs[1])
    make = ["make", "CC=gcc", "ARCHITECTURE="]
    made = subprocess.run(make, cwd=tmp_path / "3", check=True, capture_output=True, text=True)
    assert "-pthread" in made.stdout
    subprocess.run([tmp_path / "3/build/example"], check=True, capture_output=True)


def test_threads_need_a_system(tmp_path):
    with pytest.raises(ValueError, match="threads are for environment: linux"):
        RiscvOptions(isa="rv32imac", environment="bare-metal", threads=2)


def test_threads_without_a_system_are_told_in_one_sentence(edgecompile, tiny):
    options = ("-t", "rv32imac-mcu", "--set", "lower.riscv.threads=2")
    result = edgecompile("build", tiny, "-q", *options)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: threads are for environment: linux",
    )
