"""What runs in a process of its own: Qualcomm's execution provider, compiling or emulating.

libQnnHtp prints on stdout, can crash, and numbers its tensors per process: only a fresh process
that finds the model under the same relative name makes the same bytes again. All files lie in the
working folder.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HUB = "hub.onnx"
WRAPPER = "model.onnx"
BINARY = "model_qnn.bin"
"""The name that the execution provider gives to the binary of the wrapper `model.onnx`."""
TRACE = "qnn_op_trace.json"
SAMPLES = "samples.npy"
OUTPUTS = "outputs.npz"


def compile_context(soc_model: int, optimization: int, split: bool) -> None:
    """`hub.onnx` -> the wrapper, the binary and the trace, which is written on failure as well."""
    config = {
        "ep.context_enable": "1",
        "ep.context_file_path": WRAPPER,
        "ep.context_embed_mode": "0",
    }
    provider = {
        # The compiler alone: on a phone it would load the result as well.
        "enable_htp_prepare_only": "1",
        "htp_graph_finalization_optimization_mode": str(optimization),
        "enable_framework_op_trace": "1",
        "framework_op_trace_dir": ".",
    }
    _session(HUB, config, {**_htp(soc_model), **provider}, split=split)


def write_dlc() -> None:
    """`hub.onnx` -> one `.dlc` file, the graph before any chip's compiler has seen it."""
    provider = {
        "backend_type": "ir",
        "dump_qnn_ir_dlc": "1",
        "dump_qnn_ir_dlc_dir": str(Path.cwd()),
    }
    _session(HUB, {}, provider, split=True)


def emulate(wrapper: str, soc_model: int, split: bool, core: int) -> None:
    """The outputs of the binary beside `wrapper` for `samples.npy` -> `outputs.npz`.

    All on one `core`: the emulator's threads wait for each other in loops. On two cores they keep
    both busy and are no sooner done (ad_autoencoder: 31 ms of CPU a sample, on one core 16 ms).
    """
    import numpy as np
    import psutil

    from edgecompile.evaluate.outputs import save_outputs

    psutil.Process().cpu_affinity([core])
    session = _session(wrapper, {}, _htp(soc_model), split=split)
    samples = np.load(SAMPLES, mmap_mode="r")
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: np.ascontiguousarray(sample[None])}) for sample in samples]
    stacked = [np.stack([part[0] for part in parts]) for parts in zip(*rows, strict=True)]
    save_outputs(Path(OUTPUTS), stacked)


def _htp(soc_model: int) -> dict[str, str]:
    """Without the chip's number the library works for a generic one, float32 instead of float16."""
    import onnxruntime_qnn as qnn

    return {"backend_path": qnn.get_qnn_htp_path(), "soc_model": str(soc_model)}


def _session(
    model: str, config: Mapping[str, str], provider: Mapping[str, str], *, split: bool
) -> Any:
    import onnxruntime as ort
    import onnxruntime_qnn as qnn

    name = qnn.get_ep_name()
    ort.register_execution_provider_library(name, qnn.get_library_path())
    options = ort.SessionOptions()
    options.log_severity_level = 2  # warnings: they say why a node was refused
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "0" if split else "1")
    # Of two pairs in a row, around a clamp of the model's input say, it would make one.
    options.add_session_config_entry("session.disable_double_qdq_remover", "1")
    for key, value in config.items():
        options.add_session_config_entry(key, value)
    devices = [device for device in ort.get_ep_devices() if device.ep_name == name]
    options.add_provider_for_devices(devices, dict(provider))
    try:
        return ort.InferenceSession(model, sess_options=options)
    except Exception as error:  # ONNX Runtime's errors have no common base but Exception
        sys.exit(f"error: {' '.join(str(error).split())}")
