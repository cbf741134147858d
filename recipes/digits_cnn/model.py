"""Handwritten digits 8x8 (scikit-learn's bundled UCI set), small CNN trained by us in seconds: for fast tests.

Input: float32 (N,1,8,8), pixel/16. Output: logits.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (1, 8, 8)
CLASSES = [str(i) for i in range(10)]


class DigitsCNN(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32)
        self.fc1, self.fc2, self.relu = nn.Linear(512, 32), nn.Linear(32, classes), nn.ReLU()

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.fc2(self.relu(self.fc1(x.flatten(1))))


def build():
    return DigitsCNN().eval()


def prepare(inputs):
    """uint8 (N,1,8,8), values 0..16 -> float32 model input."""
    return torch.from_numpy(np.ascontiguousarray(inputs)).float() / 16.0


def _digits(start, stop):
    """A slice of scikit-learn's 1,797 digits in one fixed random order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = np.random.default_rng(0).permutation(len(digits.target))[start:stop]
    return digits.images[chosen].astype(np.uint8)[:, None], digits.target[chosen]


def training_data():
    """1,197 digits: those that the network was trained on."""
    return _digits(0, 1197)


def calibration_data():
    """100 digits; the network was trained on the first 1,197 of the same order."""
    return _digits(1197, 1297)


def evaluation_data():
    """500 digits that neither training nor calibration saw."""
    return _digits(1297, 1797)
