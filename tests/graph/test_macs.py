"""Multiply-accumulates, counted on the hub, are those that torch executes."""

import pytest
import torch

from edgecompile.compress.prune.cost import count_macs as torch_macs
from edgecompile.frontend.export import export_onnx
from edgecompile.graph.macs import count_macs


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.Conv2d(6, 8, (3, 2), stride=2, padding=1, groups=2), [1, 6, 9, 10]),
        (torch.nn.ConvTranspose2d(4, 6, 3, stride=2), [1, 4, 5, 5]),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 7)), [1, 4, 5]),
        (torch.nn.Linear(5, 7), [1, 4, 5]),
    ],
)
def test_the_hub_has_the_multiply_accumulates_of_the_module(module, shape, tmp_path):
    assert count_macs(export_onnx(module, shape, tmp_path)) == torch_macs(module, shape) > 0
