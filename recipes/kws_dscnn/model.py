"""MLPerf Tiny keyword spotting DS-CNN (12 classes) in PyTorch.

Input: float32 (N,1,49,10) = 49 frames x 10 MFCC (30 ms window, 20 ms hop, 16 kHz). Output: logits (Keras original: softmax).
First conv is 10x4 stride 2 with Keras 'same' padding: 4 rows above, 5 below, 1 column left and right.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (1, 49, 10)
CLASSES = [
    "down",
    "go",
    "left",
    "no",
    "off",
    "on",
    "right",
    "stop",
    "up",
    "yes",
    "silence",
    "unknown",
]


class DSBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dw, self.bn1 = nn.Conv2d(c, c, 3, padding=1, groups=c), nn.BatchNorm2d(c, eps=1e-3)
        self.pw, self.bn2 = nn.Conv2d(c, c, 1), nn.BatchNorm2d(c, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.bn1(self.dw(x)))
        return self.relu(self.bn2(self.pw(x)))


class DSCNN(nn.Module):
    def __init__(self, classes=12, c=64):
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 1, 4, 5))
        self.conv, self.bn, self.relu = (
            nn.Conv2d(1, c, (10, 4), 2),
            nn.BatchNorm2d(c, eps=1e-3),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*[DSBlock(c) for _ in range(4)])
        self.pool, self.fc = nn.AvgPool2d((24, 5)), nn.Linear(c, classes)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(self.pad(x))))
        return self.fc(self.pool(self.blocks(x)).flatten(1))


def build():
    return DSCNN().eval()


def prepare(inputs):
    """float32 (N,1,49,10) MFCC -> model input."""
    return torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
