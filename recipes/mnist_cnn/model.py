"""MNIST CNN without biases, as used for conversion to a spiking network (integrate-and-fire neurons for the ReLUs).

Input: float32 (N,1,28,28), raw pixels 0..255. Output: logits. No bias anywhere, so scaling the input scales the logits.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (1, 28, 28)
CLASSES = [str(i) for i in range(10)]


class MnistCNN(nn.Module):
    def __init__(self, classes=10):
        super().__init__()

        def conv(a, b, k):
            return nn.Conv2d(a, b, k, bias=False)

        self.features = nn.Sequential(
            conv(1, 20, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            conv(20, 32, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            conv(32, 128, 3),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        self.fc1, self.relu, self.fc2 = (
            nn.Linear(128, 500, bias=False),
            nn.ReLU(),
            nn.Linear(500, classes, bias=False),
        )

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(self.features(x).flatten(1))))


def build():
    return MnistCNN().eval()


def prepare(inputs):
    """uint8 (N,1,28,28) -> float32 model input."""
    return torch.from_numpy(np.ascontiguousarray(inputs)).float()
