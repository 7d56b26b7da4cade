"""Weights of samples, from the data to the batches: in step with their samples, with mean 1 in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import DataError, Digits, ImageFolder, RaggedSequences, SequenceDataModule, SplitOptions
from datamodules.samples import Samples
from tests.digit_labels import WeightedDigits, weights_of


def ready(data):
    data.setup()
    return data


def test_the_mean_over_the_training_part_is_one_whatever_the_weights_were():
    class Heavy(WeightedDigits):
        def load(self):
            samples = super().load()
            return replace(samples, weights=samples.weights * 1e6)

    plain, heavy = ready(WeightedDigits()), ready(Heavy())
    assert plain.weights[plain.split.train].double().mean() == pytest.approx(1)
    torch.testing.assert_close(plain.weights, heavy.weights)
    assert "weights 0 to 3" in plain.describe()


@pytest.mark.parametrize("options", [{}, {"split": SplitOptions(train_size=300)}])
def test_weights_stay_in_step_with_their_samples(options):
    data = ready(WeightedDigits(batch_size=64, **options))
    expected = data.weights[torch.tensor([0, 1, 5])]  # of the digits 0, 1 and 5, which come first in that order
    for _, targets, weights in data.train_dataloader():
        assert torch.equal(weights, expected[(targets > 0).int() + (targets >= 5).int()])


def test_without_weights_a_batch_is_what_it_was():
    batch = next(iter(Digits().train_dataloader()))
    assert len(batch) == 2


def test_streamed_images_bring_their_weights(tmp_path):
    class Weighted(ImageFolder):
        def load(self):
            samples = super().load()
            return replace(samples, weights=1.0 + torch.arange(len(samples.targets)))

    for number in range(20):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 10 * number, dtype=np.uint8)).save(folder / f"{number:02}.png")
    options = {"batch_size": 4, "augmentation": [], "num_workers": 0}
    data = ready(Weighted(str(tmp_path), memory_limit_gb=0, train_transforms=[], **options))
    images = {
        image[0, 0, 0].item(): weight.item()
        for batch in data.train_dataloader()
        for image, weight in zip(batch[0], batch[2], strict=True)
    }
    kept = ready(Weighted(str(tmp_path), **options))
    chosen = kept.split.train
    pixels = kept.samples.inputs[chosen][:, 0, 0, 0].tolist()
    assert images == dict(zip(pixels, kept.weights[chosen].tolist(), strict=True))


def test_padded_sequences_bring_their_weights():
    class Padded(SequenceDataModule):
        class_names = ("a", "b")
        input_shape = (6, 1)

        def load(self):
            lengths = torch.tensor([3, 6, 4, 5] * 10)
            values = torch.arange(40).float().view(-1, 1, 1).expand(40, 6, 1).contiguous()
            return Samples(values, lengths % 2, lengths=lengths, weights=1 + torch.arange(40).float())

    data = ready(Padded(batch_size=4))
    for batch in data.train_dataloader():
        (values, _), _, weights = data.on_after_batch_transfer(batch, 0)
        torch.testing.assert_close(weights, data.weights[values[:, 0, 0].long()])


def test_sequences_of_different_lengths_bring_their_weights():
    class Ragged(SequenceDataModule):
        class_names = ("a", "b")
        input_shape = (6, 1)

        def load(self):
            lengths = torch.tensor([3, 6, 4, 5] * 10)
            inputs = RaggedSequences(torch.arange(40).float().repeat_interleave(lengths).view(-1, 1), lengths)
            return Samples(inputs, lengths % 2, lengths=lengths, weights=1 + torch.arange(40).float())

    data = ready(Ragged(batch_size=4))
    for batch in data.train_dataloader():
        (values, lengths), targets, weights = data.on_after_batch_transfer(batch, 0)
        assert values.shape[1] == lengths.max()
        assert torch.equal(targets, lengths % 2)
        torch.testing.assert_close(weights, data.weights[values[:, 0, 0].long()])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (lambda weights: weights.double(), r"Samples.weights is torch.float64 \(1797,\); it must be float32"),
        (
            lambda weights: weights[:5],
            r"Samples.weights is torch.float32 \(5,\); it must be float32 \(N,\), here",
        ),
        (lambda weights: weights.numpy(), "Samples.weights is ndarray"),
        (lambda weights: torch.full_like(weights, torch.nan), "sample 0 has the weight nan"),
        (lambda weights: -weights, "sample 1 has the weight -1; it must be 0 or more"),
        (lambda weights: 0 * weights, "every training sample has the weight 0"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, said):
    class Wrong(Digits):
        def load(self):
            samples = super().load()
            return replace(samples, weights=weights(weights_of(samples.targets)))

    with pytest.raises(DataError, match=said):
        Wrong().setup()


def test_other_weights_are_not_the_data_of_the_checkpoint():
    class Other(WeightedDigits):
        def load(self):
            samples = super().load()
            return replace(samples, weights=1 + samples.weights)

        dataset_name = "WeightedDigits"

    manifest = ready(WeightedDigits()).manifest
    WeightedDigits().check_same_split(manifest)
    with pytest.raises(DataError, match="the sample weights have changed"):
        Other().check_same_split(manifest)
