"""Random changes of images, for users who say that they are harmless, and mixtures of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

_SHIFT = 8
"""A crop moves an image by up to an eighth of its size: 4 of CIFAR's 32 pixels, as He et al.
(2016, section 4.2) do."""


@dataclass(frozen=True)
class Augmented:
    """A batch of images, some of them mixed with another one of the batch."""

    images: torch.Tensor
    """(samples, channels, height, width)"""
    partner: torch.Tensor
    """The sample that each is mixed with, (samples,)."""
    share: torch.Tensor
    """How much of each is its own, (samples,): 1 where nothing was mixed."""


def augment(batch: torch.Tensor, kinds: Sequence[str], generator: torch.Generator) -> Augmented:
    """`batch` (samples, ...), each sample changed on its own, then perhaps mixed with another."""
    import torch

    if "crop" in kinds:
        batch = _crop(batch, generator)
    if "flip" in kinds:
        flipped = torch.rand(len(batch), generator=generator) < 0.5
        batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch)
    mixed = Augmented(batch, torch.arange(len(batch)), torch.ones(len(batch)))
    ways = [way for name, way in (("mixup", _mixup), ("cutmix", _cutmix)) if name in kinds]
    if not ways:
        return mixed
    partner = torch.randperm(len(batch), generator=generator)
    # As many images stay unmixed as are mixed in each way.
    taken = torch.randint(0, len(ways) + 1, (len(batch),), generator=generator)
    for number, way in enumerate(ways, start=1):
        images, share = way(batch, batch[partner], generator)
        here = taken == number
        mixed = Augmented(
            torch.where(here[:, None, None, None], images, mixed.images),
            torch.where(here, partner, mixed.partner),
            torch.where(here, share, mixed.share),
        )
    return mixed


def require_images(shape: Sequence[int], kinds: Sequence[str]) -> None:
    """Raises a UserError unless `shape` is that of images (samples, channels, height, width)."""
    if len(shape) != 4:
        raise UserError(
            f"augment: [{', '.join(kinds)}] is for images: the model takes {[1, *shape[1:]]}, "
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


def _mixup(
    batch: torch.Tensor, other: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted means of two images: Zhang et al., ICLR 2018 (arXiv:1710.09412), alpha = 1."""
    import torch

    share = torch.rand(len(batch), generator=generator)
    weight = share[:, None, None, None]
    return weight * batch + (1 - weight) * other, share


def _cutmix(
    batch: torch.Tensor, other: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rectangle of another image: Yun et al., ICCV 2019 (arXiv:1905.04899), alpha = 1."""
    import torch

    samples, _, height, width = batch.shape
    reach = torch.rand(samples, generator=generator).sqrt() / 2
    inside = [
        (
            (torch.arange(size) + 0.5) / size - torch.rand(samples, generator=generator)[:, None]
        ).abs()
        < reach[:, None]
        for size in (height, width)
    ]
    taken = inside[0][:, :, None] & inside[1][:, None, :]
    share = 1 - taken.float().mean((1, 2))
    return torch.where(taken[:, None], other, batch), share
