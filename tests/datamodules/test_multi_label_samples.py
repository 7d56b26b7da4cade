"""A datamodule whose samples have several yes/no labels."""

from dataclasses import replace

import pytest
import torch

from datamodules import DataError, Digits, Samples, SequenceDataModule, SplitOptions, SymmetricNoise
from tests.digit_labels import LABELS, DigitLabels


def ready(data):
    data.setup()
    return data


def test_labels_reach_the_batches_as_they_are():
    data = ready(DigitLabels(batch_size=100))
    _, targets = next(iter(data.train_dataloader()))
    assert targets.dtype == torch.bool
    assert targets.shape == (100, 3)


def test_the_data_says_what_a_task_and_a_network_need():
    data = DigitLabels()
    assert (data.num_labels, data.num_outputs, data.target_mean) == (3, 3, [])
    assert data.class_counts == data.samples.targets[data.split.train].sum(0).tolist()
    assert Digits().num_labels == 0


def test_the_manifest_counts_each_label_and_one_line_describes_them():
    data = ready(DigitLabels())
    for part, indices in data.split.parts().items():
        counts = data.samples.targets[indices].sum(0).tolist()
        assert data.manifest["parts"][part]["label_counts"] == dict(zip(LABELS, counts, strict=True))
    assert data.describe() == "1,294 train · 144 val · 359 test (3 labels, multi-label, stratified, split seed 0)"


def test_every_part_has_each_label_in_proportion():
    data = ready(DigitLabels(split=SplitOptions(folds=5, fold=2, train_size=500)))
    shares = data.samples.targets.double().mean(0)
    for indices in data.split.parts().values():
        assert (data.samples.targets[indices].double().mean(0) - shares).abs().max() < 0.01


def test_a_label_with_too_few_samples_for_every_part_is_named():
    class Rare(DigitLabels):
        def load(self):
            samples = super().load()
            targets = samples.targets.clone()
            targets[3:, 2] = False
            return replace(samples, targets=targets)

    with pytest.warns(UserWarning, match=r"Rare: label 'prime' \(1 samples\) has none in the val part") as warned:
        ready(Rare())
    assert len([warning for warning in warned if "prime" in str(warning.message)]) == 2


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c", "d")])
def test_names_and_labels_must_agree_in_number(names):
    data = type("Wrong", (DigitLabels,), {"class_names": names})()
    with pytest.raises(DataError, match=rf"bool \(1797, 3\); labels with {len(names)} class_names must be"):
        data.setup()


@pytest.mark.parametrize(
    ("option", "value"), [("label_noise", SymmetricNoise(0.1)), ("balanced_batches", True)], ids=["noise", "balanced"]
)
def test_what_needs_one_class_per_sample_is_refused(option, value):
    with pytest.raises(DataError, match=f"{option} needs one class per sample; DigitLabels does not have that"):
        DigitLabels(**{option: value}).train_dataloader()


def test_padded_sequences_keep_all_their_labels_where_steps_are_cut():
    class Padded(SequenceDataModule):
        class_names = ("a", "b", "c", "d")
        input_shape = (6, 1)

        def load(self):
            lengths = torch.tensor([1, 2, 3] * 20)
            values = torch.arange(60).float().view(-1, 1, 1).expand(60, 6, 1).contiguous()
            return Samples(values, torch.arange(60).unsqueeze(1) % 5 > torch.arange(4), lengths=lengths)

    data = ready(Padded(batch_size=4))
    for batch in data.train_dataloader():
        (values, _), targets = data.on_after_batch_transfer(batch, 0)
        assert values.shape[1] <= 3
        assert torch.equal(targets, data.samples.targets[values[:, 0, 0].long()])
