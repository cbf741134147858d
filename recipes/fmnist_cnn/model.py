"""Fashion-MNIST CNN trained by us on CPU: three conv-BN-ReLU stages with a residual depthwise-separable block each.

Input: float32 (N,1,28,28), (pixel/255 - 0.2860) / 0.3530. Output: logits.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (1, 28, 28)
CLASSES = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]


def _cbr(cin, cout, k, stride=1, groups=1):
    return [
        nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(),
    ]


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(
            *_cbr(c, c, 3, groups=c), nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)
        )
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x + self.body(x))


class FashionCNN(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            *_cbr(1, 24, 3),
            nn.MaxPool2d(2),
            Residual(24),
            *_cbr(24, 48, 3, 2),
            Residual(48),
            *_cbr(48, 96, 3, 2),
            Residual(96),
        )
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(96, classes)

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))


def build():
    return FashionCNN().eval()


def prepare(inputs):
    """uint8 (N,1,28,28) -> float32 model input."""
    return (torch.from_numpy(np.ascontiguousarray(inputs)).float() / 255.0 - 0.2860) / 0.3530
