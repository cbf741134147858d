"""MLPerf Tiny anomaly detection: dense auto-encoder 640-128x4-8-128x4-640 (ToyCar machine sounds) in PyTorch.

A clip is 200 frames x 128 log-mel bins; the network input is every run of 5 frames (196 windows of 640 values).
Anomaly score of a clip = mean squared reconstruction error over its windows. Metric: AUC over clips.
"""

import numpy as np
import torch
from torch import nn

INPUT_SHAPE = (640,)
FRAMES = 5


class AutoEncoder(nn.Module):
    def __init__(self, dim=640, hidden=128, code=8):
        super().__init__()
        sizes = [dim] + [hidden] * 4 + [code] + [hidden] * 4
        layers = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b, eps=1e-3), nn.ReLU()]
        self.body, self.out = nn.Sequential(*layers), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.out(self.body(x))


def build():
    return AutoEncoder().eval()


def prepare(inputs):
    """float (N,200,128) clips -> float32 (N*196, 640) windows, clip after clip."""
    x = np.asarray(inputs, dtype=np.float32)
    n, t, _ = x.shape
    w = np.stack([x[:, i : t - FRAMES + 1 + i] for i in range(FRAMES)], axis=2)
    return torch.from_numpy(np.ascontiguousarray(w.reshape(n * (t - FRAMES + 1), -1)))


def clip_scores(outputs, windows, clips):
    return ((outputs - windows) ** 2).mean(1).reshape(clips, -1).mean(1).numpy()


def auc(scores, labels):
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for v in np.unique(scores):  # ties share their mean rank
        m = scores == v
        ranks[m] = ranks[m].mean()
    pos = labels == 1
    return float((ranks[pos].sum() - pos.sum() * (pos.sum() + 1) / 2) / (pos.sum() * (~pos).sum()))


def score(outputs, labels, windows=None):
    return auc(clip_scores(outputs, windows, len(labels)), labels)
