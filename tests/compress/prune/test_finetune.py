"""What a pruned network is taught with: hints from within, and images that are mixed truly."""

from __future__ import annotations

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.compress.prune.finetune import fine_tune
from edgecompile.compress.prune.hints import hint_loss, inputs_of_layers, variances
from edgecompile.compress.prune.surgery import Kept, remove_channels
from edgecompile.compress.training.augment import augment
from edgecompile.compress.training.loop import Training
from tests.compress.prune.networks import SHAPE, two_convolutions


def hints_between(module, teacher, kept, images):
    with torch.no_grad(), inputs_of_layers(module) as now, inputs_of_layers(teacher) as wanted:
        module(images)
        teacher(images)
    return float(hint_loss(now, wanted, kept, variances(teacher, images)))


def test_hints_compare_the_channels_that_are_left():
    """Channels go that nothing behind them sees, so nothing differs on the others."""
    whole, kept = two_convolutions(), Kept()
    with torch.no_grad():
        whole[2].weight[:, [1, 5]] = 0
    smaller = copy.deepcopy(whole)
    remove_channels(smaller, SHAPE, {"0": [1, 5]}, kept)
    images = torch.randn(4, *SHAPE[1:])
    assert hints_between(smaller, whole, kept, images) < 1e-10
    with torch.no_grad():
        smaller[0].bias += 1
    assert hints_between(smaller, whole, kept, images) > 0.01


def test_hints_alone_bring_a_network_back_to_what_it_was():
    whole = two_convolutions()
    changed = copy.deepcopy(whole)
    with torch.no_grad():
        changed[0].weight += 0.1 * torch.randn_like(changed[0].weight)
    samples = torch.randn(64, *SHAPE[1:])
    before = hints_between(changed, whole, Kept(), samples)
    training = Training(
        stage="prune",
        epochs=20,
        optimizer="adamw",
        learning_rate=0.01,
        schedule="cosine",
        batch=16,
        distillation=0.0,
        augment=(),
        samples=samples,
        classes=None,
    )
    fine_tune(changed, whole, training, 0, Kept(), hints=1.0)
    assert hints_between(changed, whole, Kept(), samples) < before / 10


@given(
    st.lists(st.sampled_from(["mixup", "cutmix"]), unique=True),
    st.integers(2, 9),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 1000),
)
def test_a_mixed_image_holds_as_much_of_each_as_it_says(kinds, samples, size, seed):
    """Images of one grey each: the mean of a mixture is the mean that its share tells."""
    greys = torch.arange(float(samples))
    batch = greys[:, None, None, None].expand(samples, 2, *size)
    mixed = augment(batch, kinds, torch.Generator().manual_seed(seed))
    wanted = mixed.share * greys + (1 - mixed.share) * greys[mixed.partner]
    torch.testing.assert_close(mixed.images.mean((1, 2, 3)), wanted, rtol=1e-4, atol=1e-4)
    assert bool(((mixed.share >= 0) & (mixed.share <= 1)).all())
    if not kinds:
        assert torch.equal(mixed.images, batch)


def test_each_way_of_mixing_takes_its_turn():
    noise = torch.randn(600, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    mixed = augment(noise, ["mixup", "cutmix"], torch.Generator().manual_seed(0))
    same = (mixed.images == noise).float().mean((1, 2, 3))
    untouched, blended = float((same == 1).float().mean()), float((same == 0).float().mean())
    assert 0.25 < untouched < 0.45
    assert 0.25 < blended < 0.45
