"""CIFAR-10 classifier of MLPerf Tiny (three residual stages, width 16 or wider), in PyTorch.

Input: float32 NCHW, raw pixel values 0..255 (no scaling). Output: logits (the Keras original ends in softmax).
Keras 'same' padding at stride 2 pads only the bottom and right edge, so the strided 3x3 convs use an explicit pad.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (3, 32, 32)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _norm(c, bn):
    return nn.BatchNorm2d(c, eps=1e-3) if bn else nn.Identity()


def _conv(cin, cout, k, stride=1):
    if k == 3 and stride == 2:
        return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(cin, cout, 3, 2))
    return nn.Conv2d(cin, cout, k, stride, k // 2)


class Block(nn.Module):
    def __init__(self, cin, cout, stride, bn):
        super().__init__()
        self.conv1, self.bn1 = _conv(cin, cout, 3, stride), _norm(cout, bn)
        self.conv2, self.bn2 = _conv(cout, cout, 3), _norm(cout, bn)
        self.skip = nn.Identity() if stride == 1 else _conv(cin, cout, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.skip(x))


class ResNet8(nn.Module):
    def __init__(self, width=16, classes=10, bn=True):
        super().__init__()
        self.conv, self.bn, self.relu = _conv(3, width, 3), _norm(width, bn), nn.ReLU()
        self.stage1 = Block(width, width, 1, bn)
        self.stage2 = Block(width, 2 * width, 2, bn)
        self.stage3 = Block(2 * width, 4 * width, 2, bn)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4 * width, classes)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.pool(x).flatten(1))


def build():
    return ResNet8(16).eval()


def prepare(inputs):
    """uint8 (N,3,32,32) -> float32 model input."""
    return torch.from_numpy(np.ascontiguousarray(inputs)).float()
