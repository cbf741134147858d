"""MNIST CNN without biases, as used for conversion to a spiking network (integrate-and-fire neurons for the ReLUs).

Input: float32 (N,1,28,28), raw pixels 0..255. Output: logits. No bias anywhere, so scaling the input scales the logits.
`spikes` gives the matching event input: Bernoulli spikes with probability pixel/255 at every step.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (1, 28, 28)
CLASSES = [str(i) for i in range(10)]
METRIC = "top1"


class MnistCNN(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        conv = lambda a, b, k: nn.Conv2d(a, b, k, bias=False)
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


def spikes(inputs, steps=100, seed=0):
    """uint8 (N,1,28,28) -> float32 (steps,N,1,28,28) of zeros and ones."""
    r = np.random.default_rng(seed)
    p = np.asarray(inputs, dtype=np.float32) / 255.0
    return torch.from_numpy((r.random((steps, *p.shape), dtype=np.float32) < p).astype(np.float32))


def score(outputs, labels):
    return float((outputs.argmax(1).numpy() == labels).mean())
