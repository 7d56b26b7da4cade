"""The manifest says what was split and how; duplicates across parts are found by their bytes."""

import json

import numpy as np
import pytest
import torch

from datamodules import DataError, Digits, Samples, SplitOptions
from datamodules.splitting.manifest import content_hash, differences


def manifest_of(data):
    data.setup()
    return data.manifest


class OtherPixels(Digits):
    """Digits with one pixel of the first image changed."""

    def load(self):
        samples = super().load()
        samples.inputs[0, 0, 0, 0] += 1
        return samples


class OtherLabels(Digits):
    """Digits with the labels 0 and 1 exchanged."""

    def load(self):
        samples = super().load()
        return Samples(samples.inputs, torch.where(samples.targets < 2, 1 - samples.targets, samples.targets))


class Planted(Digits):
    """Digits of which two training images lie in val and three in test, and one val image lies in test."""

    def load(self):
        samples = super().load()
        inputs, split = samples.inputs.clone(), clean_split()
        inputs[split.val[:2]] = inputs[split.train[:2]]
        inputs[split.test[:3]] = inputs[split.train[2:5]]
        inputs[split.test[3]] = inputs[split.val[9]]
        return Samples(inputs, samples.targets)


def clean_split():
    data = Digits()
    data.setup()
    return data.split


def test_a_manifest_survives_json():
    manifest = manifest_of(Digits())
    assert json.loads(json.dumps(manifest)) == manifest


def test_a_manifest_states_sizes_class_counts_arguments_and_statistics():
    data = Digits(split=SplitOptions(seed=5, val_size=100))
    manifest = manifest_of(data)
    assert manifest["arguments"]["seed"] == 5
    assert manifest["arguments"]["val_size"] == 100
    assert manifest["normalization"] == {"mean": data.normalization.mean, "std": data.normalization.std}
    for name, indices in data.split.parts().items():
        labels = data.samples.targets[torch.from_numpy(indices)]
        assert manifest["parts"][name]["size"] == len(indices)
        assert list(manifest["parts"][name]["class_counts"].values()) == labels.bincount().tolist()


def test_two_manifests_of_the_same_split_do_not_differ():
    assert differences(manifest_of(Digits()), manifest_of(Digits())) == []


def test_a_size_stated_another_way_is_no_difference():
    assert (
        differences(
            manifest_of(Digits(split=SplitOptions(val_fraction=0.1))),
            manifest_of(Digits(split=SplitOptions(val_size=144))),
        )
        == []
    )


def test_another_split_seed_is_named():
    found = "; ".join(differences(manifest_of(Digits()), manifest_of(Digits(split=SplitOptions(seed=1)))))
    assert "split.seed was 0, now it is 1; different samples in train (1294 samples then, 1294 now)" in found
    assert "test (359 samples then, 359 now)" in found
    assert "split.seed was 0, now it is 1" in found


def test_other_sizes_are_named():
    found = "; ".join(differences(manifest_of(Digits()), manifest_of(Digits(split=SplitOptions(val_size=200)))))
    assert "val (144 samples then, 200 now)" in found
    assert "split.val_size was None, now it is 200" in found
    assert "the test part" not in found


@pytest.mark.parametrize("changed", [OtherPixels, OtherLabels])
def test_changed_pixels_or_labels_are_other_data(changed):
    recorded, rebuilt = manifest_of(Digits()), manifest_of(changed())
    rebuilt["source"]["name"] = recorded["source"]["name"]
    assert "the data of Digits has changed" in differences(recorded, rebuilt)


def test_another_dataset_is_named():
    found = differences(manifest_of(Digits()), manifest_of(OtherPixels()))
    assert found == ["the dataset was Digits, now it is OtherPixels"]


def test_digits_has_no_duplicates_across_parts():
    assert manifest_of(Digits(split=SplitOptions(duplicates="raise")))["duplicates"] == {
        "train/val": 0,
        "train/test": 0,
        "val/test": 0,
    }


def test_duplicates_across_parts_are_counted_in_a_warning_and_in_the_manifest():
    data = Planted()
    with pytest.warns(UserWarning, match="2 of train in val, 3 of train in test, 1 of val in test"):
        data.setup()
    assert data.manifest["duplicates"] == {"train/val": 2, "train/test": 3, "val/test": 1}
    assert np.array_equal(data.split.train, clean_split().train)


def test_duplicates_across_parts_are_refused_when_asked():
    with pytest.raises(DataError, match="2 of train in val, 3 of train in test, 1 of val in test"):
        Planted(split=SplitOptions(duplicates="raise")).setup()


def test_duplicates_are_dropped_from_the_training_part_alone():
    data, clean = Planted(split=SplitOptions(duplicates="drop")), clean_split()
    with pytest.warns(UserWarning, match="across parts: 1 of val in test$"):
        data.setup()
    assert np.array_equal(data.split.train, clean.train[5:])
    assert np.array_equal(data.split.val, clean.val)
    assert np.array_equal(data.split.test, clean.test)
    assert data.manifest["parts"]["train"]["size"] == len(clean.train) - 5
    assert data.manifest["duplicates"] == {"train/val": 0, "train/test": 0, "val/test": 1}


def test_dropping_duplicates_does_not_lose_a_class_unnoticed():
    class OneClassInTest(Digits):
        """Every training image of the digit 0 lies in test, too."""

        def load(self):
            samples, split = super().load(), clean_split()
            zeros = [part[samples.targets[part].numpy() == 0] for part in (split.train, split.test)]
            samples.inputs[zeros[0]] = samples.inputs[zeros[1][0]].clone()
            return samples

    with pytest.raises(DataError, match="class '0' has no sample in the train part"):
        OneClassInTest(split=SplitOptions(duplicates="drop")).setup()


def test_another_normalization_is_told():
    one, other = Digits(), Digits(mean=[0.0], std=[0.01])
    one.setup()
    other.setup()
    with pytest.raises(DataError, match=r"the normalisation was .*, now it is .*0\.01"):
        other.check_same_split(one.manifest)


def test_the_hash_of_targets_tells_digits_apart_and_not_precisions() -> None:
    digests = np.zeros(3, dtype="V16")
    halves, tenths = np.array([0.5, 1.5, -2.0]), np.array([0.1, 1e6 + 0.01, 3.0])
    assert content_hash(digests, halves) == content_hash(digests, halves.astype(np.float32))
    assert content_hash(digests, tenths) != content_hash(digests, np.array([0.1, 1e6 + 0.02, 3.0]))
