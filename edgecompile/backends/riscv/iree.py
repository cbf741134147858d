"""The hub as a module for IREE's runtime on RISC-V, beside our C.

No runtime for riscv64 comes with IREE's packages, so that the module itself is executed by nobody
here. Its twin, the same hub compiled for this computer, is: the two differ by the last stage of the
compiler alone.
"""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.riscv.isa import Isa
from edgecompile.errors import ToolchainMissing
from edgecompile.evaluate.outputs import Array, load_outputs, save_outputs
from edgecompile.evaluate.session import run_onnx
from edgecompile.findings import Finding
from edgecompile.graph.hub import save, serialize, shape_of

MODULE = "model.vmfb"
PACKAGES = ("iree-base-compiler", "iree-base-runtime")
TOOL = "IREE's compiler"
TIME_LIMIT_SECONDS = 1800
SAMPLES = 4
_HUB, _MLIR, _TWIN, _SAMPLES, _OUTPUTS = "hub.onnx", "hub.mlir", "twin.vmfb", "in.npy", "out.npz"
_RULE = "riscv-iree"


def write_module(hub: ir.Model, isa: Isa, folder: Path) -> Finding:
    """Write `model.vmfb` into `folder`; says how near its twin on this computer is to the hub.

    Raises:
        ToolchainMissing: IREE is not installed.
        ToolchainFailed: IREE refuses the hub, crashes or hangs.
    """
    if importlib.util.find_spec("iree") is None:
        raise ToolchainMissing(
            "IREE, which emit: vmfb asks for, is not installed",
            remedy="pip install 'edgecompile[iree]'",
        )
    shape = shape_of(hub.graph.inputs[0])[1:]
    samples = np.random.default_rng(0).normal(size=(SAMPLES, *shape)).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        work = Path(name)
        save(hub, work / _HUB)
        np.save(work / _SAMPLES, samples)
        ended = run_isolated(
            compile_and_run_twin,
            f"riscv{isa.xlen}-unknown-linux-gnu",
            isa.abi,
            ",".join(f"+{extension}" for extension in isa.extensions),
            tool=TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=work,
        )
        if not ended.succeeded:
            raise ended.failure()
        (folder / MODULE).write_bytes((work / MODULE).read_bytes())
        found = load_outputs(work / _OUTPUTS)
    expected = run_onnx(serialize(hub), samples)
    return Finding("warning", _RULE, _account(found, expected))


def _account(found: list[Array], expected: list[Array]) -> str:
    count = sum(array.size for array in expected)
    pairs = list(zip(found, expected, strict=True))
    equal = sum(int((a == b).sum()) for a, b in pairs)
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    return (
        f"{MODULE} was compiled, and not executed on RISC-V; the same hub compiled by IREE for "
        f"{platform.machine()} was, on {SAMPLES} random samples: {equal:,} of {count:,} outputs "
        f"equal ONNX Runtime's, the largest difference is {worst:.2g}"
    )


def compile_and_run_twin(triple: str, abi: str, features: str) -> None:
    """In a process of its own: `hub.onnx` -> `model.vmfb`, and the outputs of its twin."""
    _python("iree.compiler.tools.import_onnx", _HUB, "-o", _MLIR)
    device = [
        f"--iree-llvmcpu-target-triple={triple}",
        f"--iree-llvmcpu-target-abi={abi}",
        f"--iree-llvmcpu-target-cpu-features={features}",
    ]
    _compile(MODULE, device)
    _compile(_TWIN, ["--iree-llvmcpu-target-cpu=host"])
    _run_twin()


def _compile(output: str, machine: list[str]) -> None:
    words = [
        _MLIR,
        "-o",
        output,
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        *machine,
    ]
    _python("iree.compiler.tools.scripts.iree_compile", *words)


def _python(module: str, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *words], check=False)  # noqa: S603
    if done.returncode:
        sys.exit(1)


def _run_twin() -> None:
    from iree import runtime

    config = runtime.Config("local-sync")
    context = runtime.SystemContext(config=config)
    context.add_vm_module(runtime.VmModule.mmap(context.instance, str(Path(_TWIN).resolve())))
    module = context.modules[next(name for name in context.modules if name != "hal")]
    names = [n for n in module.vm_module.function_names if not n.startswith("__")]
    function = module[next(n for n in names if not n.endswith("$async"))]
    outputs: list[list[Array]] = []
    for sample in np.load(_SAMPLES):
        result = function(sample[None])
        several = result if isinstance(result, tuple | list) else (result,)
        outputs.append([np.asarray(one)[0] for one in several])
    save_outputs(
        Path(_OUTPUTS),
        [np.stack(column).astype(np.float32) for column in zip(*outputs, strict=True)],
    )
