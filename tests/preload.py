"""What the workers of the tests' builds have imported and prepared before they start.

Nothing here may start threads that a fork would miss: no session of ONNX Runtime, and PyTorch with
one thread.
"""

from __future__ import annotations

import gc
import importlib
import logging
import warnings
from functools import cache

import tqdm

tqdm.tqdm.monitor_interval = 0  # its monitor is a thread

MODULES = (
    "ai_edge_litert.interpreter",
    "nncf",
    "nncf.onnx.quantization.default_quantization",
    "nncf.onnx.quantization.quantize_model",
    "onnxruntime",
    "onnxsim",
    "safetensors.torch",
    "sklearn.metrics",
    "vl_convert",
    "edgecompile.backends.steps",
    "edgecompile.build.worker",
    "edgecompile.compress.quantize",
    "edgecompile.compress.steps",
    "edgecompile.evaluate.session",
    "edgecompile.evaluate.steps",
    "edgecompile.frontend.steps",
    "edgecompile.graph.steps",
)


def prepare() -> None:
    """Import all, and export a model once: PyTorch builds tables of its operators on the way."""
    for module in MODULES:
        importlib.import_module(module)
    import torch
    from nncf.common.graph.patterns.manager import PatternsManager
    from nncf.common.utils.backend import BackendType
    from nncf.parameters import TargetDevice
    from torch.onnx._internal.exporter import _registration

    from edgecompile.frontend.export import OPSET

    # Anew at each export otherwise: a second that has nothing to do with the model.
    registry = _registration.ONNXRegistry
    registry.from_torchlib = staticmethod(cache(registry.from_torchlib))
    # And half a second for NNCF's tables of patterns, which are only read.
    for table in ("get_full_hw_pattern_graph", "get_full_ignored_pattern_graph"):
        kept = cache(getattr(PatternsManager, table))
        kept(backend=BackendType.ONNX, device=TargetDevice.ANY, model_type=None)
        setattr(PatternsManager, table, staticmethod(kept))
    torch.set_num_threads(1)
    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(torch.nn.Linear(4, 3), (torch.zeros(1, 4),), strict=False)
        torch.onnx.export(program, (), dynamo=True, opset_version=OPSET, verbose=False)
    logging.disable(logging.NOTSET)
    gc.freeze()  # collections in a fork leave alone, and uncopied, what is here


prepare()
