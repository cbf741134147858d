"""A program from C to the emulator, for every kind of machine that a target can be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.riscv import measurement
from edgecompile.backends.riscv.artifact import inspect_artifact
from edgecompile.backends.riscv.backend import RiscvBackend
from edgecompile.backends.riscv.emulator import execute, run_all
from edgecompile.backends.riscv.measurement import measure
from edgecompile.errors import (
    ContractError,
    TargetCannotRun,
    ToolchainFailed,
    ToolchainMissing,
    UserError,
)
from tests.backends.riscv import hand_made
from tests.conftest import tree

pytestmark = pytest.mark.usefixtures("toolchain")

MACHINES = [("rv64gcv", "linux"), ("rv64gc", "linux"), ("rv64gcv_zvl256b", "bare-metal")]
SOFT_DOUBLES = [
    # zig compiles its compiler-rt for these first: five CPU seconds each.
    ("rv32imac", "bare-metal"),
    pytest.param("rv32imafc", "bare-metal", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("isa", "environment"), MACHINES + SOFT_DOUBLES)
def test_a_program_gives_the_exact_outputs_on_its_machine(tmp_path, isa, environment):
    elf = hand_made.build(tmp_path, isa, environment)
    samples = hand_made.samples(9)
    (outputs,) = run_all(elf, samples)
    np.testing.assert_array_equal(outputs, hand_made.expected(samples))


DOUBLES = "volatile double half = in[0] * 0.5; if (half > 1e300) __builtin_trap();\n"


def test_a_64_bit_core_without_doubles_computes_them_where_its_memory_is(tmp_path):
    """Above 2 GiB, where code that is built for the lower two cannot be linked."""
    elf = hand_made.build(tmp_path, "rv64imfc", "bare-metal", body=DOUBLES + hand_made.BODY)
    samples = hand_made.samples(2)
    (outputs,) = run_all(elf, samples)
    np.testing.assert_array_equal(outputs, hand_made.expected(samples))


def test_the_same_program_is_built_in_any_folder(tmp_path):
    for name in ("one", "another/deeper"):
        hand_made.build(tmp_path / name, "rv64gcv")
    files = tree(tmp_path / "one")
    assert files == tree(tmp_path / "another/deeper")
    assert not any(str(tmp_path).encode() in data or b"/tmp" in data for data in files.values())


# Longer vectors need fewer instructions for it.
VECTORIZED = """\
static int8_t many[4096];
for (int i = 0; i < 4096; i++) many[i] = (int8_t)(many[i] + in[0]);
__asm__ volatile("" : : "r"(many) : "memory");
"""


def test_what_one_inference_takes_is_measured_at_each_vector_length(tmp_path):
    elf = hand_made.build(tmp_path, "rv64gcv", body=VECTORIZED + hand_made.BODY)
    figures = {}
    for figure in measure(elf, hand_made.samples(4)):
        figures.setdefault(figure.quantity, []).append(figure)
    assert [f.method[-8:] for f in figures["instructions"]] == ["VLEN 256", "VLEN 128", "VLEN 512"]
    # 24 multiplications and what is around them: neither none nor the whole start of a process.
    at_256, at_128, at_512 = (f.value for f in figures["instructions"])
    assert 24 < at_512 < at_256 < at_128 < 3000
    assert all(5 < f.value < 95 for f in figures["vector instructions"])
    assert figures["equal outputs"][0].method.endswith("VLEN 128, 256, 512")
    assert figures["activations"][0].value == 64
    assert 0 <= figures["stack"][0].value < 2000
    assert 24 < figures["flash"][0].value < elf.stat().st_size


def test_outputs_that_depend_on_the_vector_length_are_a_bug_of_ours(tmp_path):
    body = 'long bytes; __asm__ volatile("csrr %0, vlenb" : "=r"(bytes)); (void)in; (void)weight;\n'
    body += "for (int i = 0; i < 3; i++) out[i] = (int8_t)(bytes + 50 * i);\nreturn 0;\n"
    elf = hand_made.build(tmp_path, "rv64gcv", body=body)
    with pytest.raises(ContractError, match="differ between vectors of 256 and 128 bits"):
        measure(elf, hand_made.samples(3))


def test_a_qemu_that_takes_no_plugin_of_ours_measures_the_rest(tmp_path, monkeypatch):
    elf = hand_made.build(tmp_path, "rv64gc")
    (tmp_path / "other.so").write_bytes(b"made for another QEMU")
    monkeypatch.setattr(measurement, "plugin", lambda: tmp_path / "other.so")
    quantities = [figure.quantity for figure in measure(elf, hand_made.samples(2))]
    assert quantities == ["flash", "activations", "stack"]


def test_a_count_is_the_same_when_repeated_and_follows_the_work(tmp_path):
    def instructions(elf):
        found = measure(elf, hand_made.samples(2))
        return next(f.value for f in found if f.quantity == "instructions")

    once = hand_made.build(tmp_path / "once", "rv64gc")
    body = "for (volatile int i = 0; i < 1000; i++) (void)i;\n" + hand_made.BODY
    longer = hand_made.build(tmp_path / "longer", "rv64gc", body=body)
    assert instructions(once) == instructions(once)
    assert 3000 < instructions(longer) - instructions(once) < 9000


def test_the_stack_that_a_network_takes_is_seen(tmp_path):
    body = "volatile char room[5000]; for (int i = 0; i < 5000; i++) room[i] = 1;\n"
    elf = hand_made.build(tmp_path, "rv32imac", "bare-metal", body=body + hand_made.BODY)
    assert 5000 <= execute(elf, hand_made.samples(1)).stack < 5500


def test_inspection_reads_the_borders_back_from_the_program(tmp_path):
    facts = inspect_artifact(hand_made.build(tmp_path, "rv64gcv"))
    assert facts.format == "ELF for rv64gcv, linux"
    assert facts.weight_bytes == 24
    (given,), (taken,) = facts.outputs, facts.inputs
    assert (taken.shape, taken.scale, taken.zero_point) == ((1, 2, 2, 2), (0.5,), (3,))
    assert (given.shape, given.dtype) == ((1, 3), "int8")


@pytest.mark.parametrize("damage", [b"", b"\x7fELF", b"not a program at all" * 20])
def test_what_is_no_program_of_ours_is_refused(tmp_path, damage):
    file = tmp_path / "model.elf"
    file.write_bytes(damage)
    with pytest.raises(UserError, match=r"model\.elf is no RISC-V program"):
        inspect_artifact(file)


def test_a_program_of_this_computer_is_refused():
    with pytest.raises(UserError, match="no RISC-V program"):
        inspect_artifact(Path(sys.executable).resolve())


@pytest.mark.parametrize(("isa", "environment"), [("rv64gc", "linux"), ("rv32imac", "bare-metal")])
def test_a_program_that_faults_is_a_failed_toolchain(tmp_path, isa, environment):
    body = "*(volatile int *)8 = 1;\n" + hand_made.BODY
    elf = hand_made.build(tmp_path, isa, environment, body=body)
    with pytest.raises(ToolchainFailed, match=r"SIGSEGV|mcause"):
        run_all(elf, hand_made.samples(1))


def test_c_that_does_not_compile_is_a_failed_toolchain_with_the_compilers_words(tmp_path):
    with pytest.raises(ToolchainFailed, match="use of undeclared identifier 'missing'"):
        hand_made.build(tmp_path, "rv64gc", body="return missing;\n")


def test_a_missing_emulator_says_what_to_type(tmp_path, monkeypatch):
    elf = hand_made.build(tmp_path, "rv64gc")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainMissing, match="qemu-riscv64 is not installed") as caught:
        run_all(elf, hand_made.samples(1))
    assert "apt-get install qemu-user" in caught.value.remedy
    probe = RiscvBackend().probe()
    assert not probe.available
    assert "qemu-system-riscv32" in probe.reason


def test_weights_beyond_the_flash_are_refused_before_compiling(tmp_path):
    with pytest.raises(TargetCannotRun, match="20 bytes of flash; the largest: weight 24"):
        hand_made.build(tmp_path, "rv32imac", "bare-metal", flash=20)
    assert not (tmp_path / "model.elf").exists()


def test_activations_beyond_the_ram_are_refused_before_compiling(tmp_path):
    with pytest.raises(TargetCannotRun, match=r"activations 64, .* the largest .* x 8, y 3"):
        hand_made.build(tmp_path, "rv32imac", "bare-metal", ram=2100)


@pytest.mark.parametrize(("flash", "ram"), [(600, 65536), (65536, 2130)])
def test_a_program_that_is_too_large_with_its_code_is_no_crash_of_the_linker(tmp_path, flash, ram):
    with pytest.raises(TargetCannotRun, match=r"of the target"):
        hand_made.build(tmp_path, "rv64gc", "bare-metal", flash=flash, ram=ram)


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("gcc")), reason="no make or gcc")
def test_the_makefile_builds_the_example_with_the_users_compiler(tmp_path):
    hand_made.build(tmp_path, "rv64gc")
    subprocess.run(["make", "CC=gcc", "ARCHITECTURE="], cwd=tmp_path, check=True)
    _require_zeros_answer(tmp_path / "build/example")


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("gcc")), reason="no cmake or gcc")
def test_cmake_builds_the_example_with_the_users_compiler(tmp_path):
    hand_made.build(tmp_path, "rv64gc")
    for words in (["-B", "build", "-DARCHITECTURE="], ["--build", "build"]):
        subprocess.run(["cmake", *words], cwd=tmp_path, check=True, capture_output=True)
    _require_zeros_answer(tmp_path / "build/example")


def _require_zeros_answer(example):
    """The network of zeros gives zeros."""
    done = subprocess.run([example], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]
