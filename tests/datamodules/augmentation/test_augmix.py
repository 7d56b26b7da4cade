"""AugMix agrees with torchvision's: what is mixed, by which weights, after which operations."""

import pytest
import torch
from torchvision.transforms import v2

from datamodules import AugMix
from tests.datamodules.augmentation import torchvision_operations
from tests.datamodules.augmentation.agreement import assert_same_counts, assert_same_distribution


@pytest.mark.parametrize("chain_depth", [None, 2])
def test_an_image_is_mixed_with_chains_of_operations_on_it(images, chain_depth):
    augmentation = AugMix(2, chain_depth=chain_depth, interpolation="nearest")  # no place is halfway between two
    torch.manual_seed(0)
    chains, weights = augmentation.draw(images)
    torch.manual_seed(0)
    augmented, names, expected = augmentation(images), augmentation.operations, []
    torch.testing.assert_close(weights.sum(1), torch.ones(len(images)))
    for number, image in enumerate(images):
        mixed = weights[number, 0] * image
        for chain, weight in zip(chains, weights[number, 1:], strict=True):
            changed = image
            for step in chain:
                name, strength = names[step.chosen[number]], float(step.strengths[number])
                changed = torchvision_operations.apply(changed, name, strength)
            mixed = mixed + weight * changed
        expected.append(mixed)
    differs = (augmented - torch.stack(expected)).abs() > 1e-4
    assert differs.float().mean() < 1e-2  # bytes that rounding decides otherwise


@pytest.mark.parametrize("all_ops", [True, False])
def test_operations_and_weights_are_drawn_as_torchvision_draws_them(all_ops, monkeypatch):
    torch.manual_seed(0)
    image, theirs, drawn_weights = torch.zeros(1, 30, 20, dtype=torch.uint8), [], []
    operations = torchvision_operations.record(monkeypatch, "AugMix")
    sample = v2.AugMix._sample_dirichlet

    def note(self, parameters):
        drawn_weights.append(sample(self, parameters))
        return drawn_weights[-1]

    monkeypatch.setattr(v2.AugMix, "_sample_dirichlet", note)
    transform, lengths = v2.AugMix(4, alpha=0.6, all_ops=all_ops), []
    for _ in range(1200):
        operations.clear()
        transform(image)
        theirs += operations
        lengths.append(len(operations))

    augmentation = AugMix(4, alpha=0.6, all_ops=all_ops)
    chains, weights = augmentation.draw(image.expand(4000, -1, -1, -1))
    ours, own_lengths = [], torch.zeros(4000)
    for step in (step for chain in chains for step in chain):
        applied = step.chosen < len(augmentation.space)
        own_lengths += applied
        pairs = zip(step.chosen[applied].tolist(), step.strengths[applied].tolist(), strict=True)
        ours += [torchvision_operations.comparable(augmentation.operations[number], each) for number, each in pairs]
    assert_same_counts(ours, theirs)
    assert_same_counts(own_lengths.tolist(), lengths)
    kept, shares = torch.cat(drawn_weights[::2])[:, 0], torch.cat(drawn_weights[1::2])
    assert_same_distribution(weights[:, 0], kept)
    assert_same_distribution(weights[:, 1:].amax(1) / weights[:, 1:].sum(1), shares.amax(1))
    for column in (1, 2, 3):
        assert_same_distribution(weights[:, column], shares[:, column - 1] * (1 - kept))
