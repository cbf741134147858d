"""Fashion-MNIST vision transformer trained by us on CPU: 4x4 patches of 7x7 pixels, width 64, 4 heads, 2 layers.

Input: float32 (N,1,28,28), (pixel/255 - 0.2860) / 0.3530. Output: logits. Mean-pooled tokens, pre-norm, GELU.
"""

import numpy as np
import torch
import torch.nn.functional as F
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


class Layer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.n1, self.n2 = heads, nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2, self.act = nn.Linear(d, 4 * d), nn.Linear(4 * d, d), nn.GELU()

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = (
            self.qkv(self.n1(x))
            .reshape(b, n, 3, self.heads, d // self.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.proj(y)
        return x + self.fc2(self.act(self.fc1(self.n2(x))))


class FashionViT(nn.Module):
    def __init__(self, classes=10, d=64, heads=4, depth=2):
        super().__init__()
        self.patch = nn.Conv2d(1, d, 7, 7)
        self.pos = nn.Parameter(torch.randn(1, 16, d) * 0.02)
        self.layers = nn.Sequential(*[Layer(d, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.pos
        return self.head(self.norm(self.layers(x)).mean(1))


def build():
    return FashionViT().eval()


def prepare(inputs):
    """uint8 (N,1,28,28) -> float32 model input."""
    return (torch.from_numpy(np.ascontiguousarray(inputs)).float() / 255.0 - 0.2860) / 0.3530
