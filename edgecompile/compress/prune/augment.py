"""Harmless changes of images, for users who say that they are: random crops and flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

_SHIFT = 8
"""A crop moves an image by up to an eighth of its size: 4 of CIFAR's 32 pixels, as He et al.
(2016, section 4.2) do."""


def augment(batch: torch.Tensor, kinds: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """`batch` (samples, channels, height, width), each image changed on its own."""
    import torch

    if "crop" in kinds:
        batch = _crop(batch, generator)
    if "flip" in kinds:
        flipped = torch.rand(len(batch), generator=generator) < 0.5
        batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch)
    return batch


def require_images(shape: Sequence[int]) -> None:
    """Raises a UserError unless `shape` is that of one image (1, channels, height, width)."""
    if len(shape) != 4:
        raise UserError(
            f"crop and flip are for images: the model takes {list(shape)}, "
            "not [1, channels, height, width]"
        )


def _crop(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The border is filled with 0, which is the mean colour of normalized images."""
    import torch
    from torch.nn import functional

    height, width = batch.shape[2:]
    by_y, by_x = max(1, height // _SHIFT), max(1, width // _SHIFT)
    padded = functional.pad(batch, (by_x, by_x, by_y, by_y))
    top = torch.randint(0, 2 * by_y + 1, (len(batch),), generator=generator)
    left = torch.randint(0, 2 * by_x + 1, (len(batch),), generator=generator)
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    one = torch.arange(len(batch))[:, None, None]
    # Advanced indices around a slice put the channels last.
    return padded[one, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
