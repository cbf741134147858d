"""CIFAR-10 ResNet-20 (He et al. 2016; three stages of 16/32/64 channels, parameter-free shortcuts), in PyTorch.

Input: float32 NCHW, ImageNet-normalised RGB. Output: logits.
Shortcut "A": take every second pixel and fill the new channels with zeros, half before and half after.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DEPTH = 20
INPUT_SHAPE = (3, 32, 32)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.relu, self.stride, self.extra = nn.ReLU(), stride, (cout - cin) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra, self.extra))
        return self.relu(y + x)


class CifarResNet(nn.Module):
    def __init__(self, depth=20, classes=10):
        super().__init__()
        n = (depth - 2) // 6
        self.conv1, self.bn1, self.relu = (
            nn.Conv2d(3, 16, 3, 1, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        cin = 16
        for i, c in enumerate((16, 32, 64), 1):
            blocks = []
            for j in range(n):
                blocks.append(Block(cin, c, 2 if i > 1 and j == 0 else 1))
                cin = c
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
        self.pool, self.linear = nn.AdaptiveAvgPool2d(1), nn.Linear(64, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.pool(x).flatten(1))


def build():
    return CifarResNet(DEPTH).eval()


def prepare(inputs):
    """uint8 (N,3,32,32) -> float32 model input."""
    x = torch.from_numpy(np.ascontiguousarray(inputs)).float() / 255.0
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
