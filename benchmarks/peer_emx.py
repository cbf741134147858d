"""The peer: C by emx-onnx-cgen (`pip install emx-onnx-cgen==1.4.0`), as a Linux program on RISC-V.

Its C needs a C library: zig brings musl, compiled at the first use for each instruction set.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from edgecompile.backends.riscv.compiler import zig_cache

_MAIN = """
static {take} in0[{inputs}]; static {give} out0[{outputs}];
int main(void) {{
    while (fread(in0, sizeof in0, 1, stdin) == 1) {{
        model((void *)in0, (void *)out0);
        fwrite(out0, sizeof out0, 1, stdout);
    }}
    return 0;
}}
"""
_INSIDE = ("--large-weight-threshold", "0", "--large-temp-threshold", "0")
"""Weights in the C, not in a file; temporary tensors on the stack, not on the heap."""
_SIGNATURE = re.compile(
    r"^void model\(const (\w+) \w+(?:\[[^]]*\])+, (\w+) \w+(?:\[[^]]*\])+\)", re.MULTILINE
)


def generate(hub: Path, folder: Path) -> Path:
    """emx-onnx-cgen's C for an ONNX file, weights inside."""
    source = folder / "emx.c"
    command = Path(sys.executable).with_name("emx-onnx-cgen")
    _run([command, "compile", hub, source, *_INSIDE], folder)
    return source


def compile_program(source: Path, mcpu: str, inputs: int, outputs: int) -> Path:
    """A static program that reads float32 samples of `inputs` numbers and writes `outputs` each."""
    text = source.read_text()
    found = _SIGNATURE.search(text)
    if found is None:
        raise SystemExit(f"{source.name} has no model() of one input and one output")
    take, give = found.groups()
    main = _MAIN.format(take=take, give=give, inputs=inputs, outputs=outputs)
    whole = source.with_name("emx_main.c")
    whole.write_text("#include <stdio.h>\n" + text + main)
    elf = source.with_name(f"emx-{mcpu}.elf")
    flags = ["-target", "riscv64-linux-musl", f"-mcpu={mcpu}", "-O3", "-static", "-s", "-w"]
    zig = [sys.executable, "-m", "ziglang", "cc", *flags]
    _run([*zig, whole, "-o", elf, "-lm"], source.parent)
    return elf


def _run(words: list[str | Path], folder: Path) -> None:
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(zig_cache())}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr[-2000:]}")
