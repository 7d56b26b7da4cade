"""A trained model carries its own preprocessing: it takes what the dataset holds, and nobody normalises by hand."""

import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import AdamW
from torch.utils.data import DataLoader

from datamodules import BreastCancer, DataModule, DigitRows, Digits, Samples
from models import Classifier, Preprocessing, TrainingError
from models.networks import MLP, Recurrent
from models.regularizers import LabelSmoothing


def trained(quiet_trainer, data, network=MLP, **options):
    torch.manual_seed(0)
    task = Classifier(network(data.input_shape, data.num_classes), data.num_classes, **options)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, data)
    return task.eval(), trainer


@pytest.mark.parametrize(("make", "network"), [(Digits, MLP), (BreastCancer, MLP), (DigitRows, Recurrent)])
def test_a_model_takes_what_the_dataset_holds(quiet_trainer, make, network):
    data = make()
    task, trainer = trained(quiet_trainer, data, network)
    with torch.no_grad():
        probabilities = task(data.samples.inputs[data.split.test]).softmax(-1)
    torch.testing.assert_close(probabilities, torch.cat(trainer.predict(task, data)))


def test_a_notebooks_checkpoint_rebuilds_the_model_with_its_preprocessing(quiet_trainer, tmp_path):
    data = Digits()
    task, trainer = trained(quiet_trainer, data, optimizer=functools.partial(AdamW, lr=0.01))
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = Classifier.load_from_checkpoint(tmp_path / "one.ckpt").eval()
    raw = data.samples.inputs[:50]
    with torch.no_grad():
        assert torch.equal(again(raw), task(raw))
    assert again.preprocessing.settings()["maximum"] == 16


def test_a_network_that_does_not_record_its_arguments_is_given_again(quiet_trainer, tmp_path):
    def network():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    data = Digits()
    task = Classifier(network(), 10)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    with pytest.raises(TypeError, match=r"one\.ckpt does not say how its network was made: give it .*network="):
        Classifier.load_from_checkpoint(tmp_path / "one.ckpt")
    again = Classifier.load_from_checkpoint(tmp_path / "one.ckpt", network=network())
    raw = data.samples.inputs[:50]
    with torch.no_grad():
        assert torch.equal(again.eval()(raw), task.eval()(raw))


def test_an_evaluation_on_other_data_keeps_the_statistics_of_the_training(quiet_trainer):
    class Brighter(Digits):
        def load(self):
            samples = super().load()
            return Samples(samples.inputs // 2 + 8, samples.targets)

    task, trainer = trained(quiet_trainer, Digits())
    before = task.preprocessing.settings()
    trainer.test(task, Brighter(), verbose=False)
    assert task.preprocessing.settings() == before
    trainer.fit_loop.max_epochs = 2
    quiet_trainer(max_epochs=1).fit(task, Brighter())
    assert task.preprocessing.settings()["mean"] != before["mean"]


def test_a_network_that_normalizes_is_given_scaled_images(quiet_trainer):
    class Watching(MLP):
        normalizes_inputs = True

        def forward(self, inputs):
            assert inputs.min() >= 0
            assert inputs.max() <= 1
            return super().forward(inputs)

    task, _ = trained(quiet_trainer, Digits(), Watching)
    assert task.preprocessing.settings()["mean"] is None
    task(torch.full((2, 1, 8, 8), 16, dtype=torch.uint8))


def test_statistics_stay_exact_in_half_precision(quiet_trainer):
    data = Digits()
    task, _ = trained(quiet_trainer, data)
    exact = task.preprocessing.settings()
    task.bfloat16()
    assert task.preprocessing.settings() == exact
    assert task(data.samples.inputs[:5]).dtype == torch.bfloat16


def test_batches_without_a_datamodule_come_as_they_are(quiet_trainer):
    task = Classifier(MLP((3,), 2), 2)
    batches = [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))]
    quiet_trainer(max_epochs=1, limit_val_batches=0).fit(task, DataLoader(batches, batch_size=None))
    assert task.preprocessing.settings() == Preprocessing().settings()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 64), (64, 40), (16, 20)])
def test_images_of_other_sizes_are_resized_and_cropped(height, width):
    prepare = Preprocessing(255, [0.5], [0.5], size=[32, 32])
    image = torch.zeros(2, 3, height, width, dtype=torch.uint8)
    image[:, :, :, width // 2 :] = 255
    found = prepare(image)
    assert found.shape == (2, 3, 32, 32)
    assert found[..., :10].max() == -1
    assert found[..., -10:].min() == 1


def test_sequences_are_normalized_feature_by_feature_and_keep_their_lengths():
    prepare = Preprocessing(1, [1.0, 2.0], [2.0, 4.0], channel_axis=-1)
    values, lengths = prepare((torch.ones(2, 5, 2), torch.tensor([5, 3])))
    assert values[0, 0].tolist() == [0, -0.25]
    assert lengths.tolist() == [5, 3]


def test_a_state_dict_carries_tensors_and_plain_values(tmp_path):
    torch.save(Preprocessing(255, [0.1, 0.2, 0.3], [1.0, 1.0, 1.0], size=[8, 8]).state_dict(), tmp_path / "one.pt")
    fresh = Preprocessing()
    fresh.load_state_dict(torch.load(tmp_path / "one.pt", weights_only=True))
    assert fresh.settings() == Preprocessing(255, [0.1, 0.2, 0.3], [1.0, 1.0, 1.0], size=[8, 8]).settings()


def test_a_datamodule_of_ones_own_fills_it_in(quiet_trainer):
    class Own(DataModule):
        class_names = ("a", "b")
        input_shape = (2,)
        maximum = 10.0

        def load(self):
            return Samples(torch.arange(80.0).view(40, 2), torch.arange(40) % 2)

    task, _ = trained(quiet_trainer, Own())
    assert task.preprocessing.settings()["maximum"] == 10
    assert len(task.preprocessing.settings()["mean"]) == 2


@pytest.mark.parametrize("regularizers", [LabelSmoothing(0.1), [LabelSmoothing(0.1)]])
def test_a_checkpoint_rebuilds_what_a_notebook_writes_loosely(quiet_trainer, tmp_path, regularizers):
    sizes = np.array([8, 8])
    task = Classifier(MLP((1, *sizes), 10), np.int64(10), regularizers=regularizers)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, Digits())
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = Classifier.load_from_checkpoint(tmp_path / "one.ckpt")
    assert list(map(repr, again.regularizers)) == [repr(LabelSmoothing(0.1))]


def test_loading_names_the_arguments_that_a_checkpoint_cannot_rebuild(quiet_trainer, tmp_path):
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    _, trainer = trained(quiet_trainer, Digits(), loss=loss)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    with pytest.warns(UserWarning, match=r"does not say how its loss was made: give it again to train, .*loss="):
        Classifier.load_from_checkpoint(tmp_path / "one.ckpt")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "does not say")
        assert Classifier.load_from_checkpoint(tmp_path / "one.ckpt", loss=loss).loss is loss


def test_weights_without_a_preprocessing_are_refused():
    task = Classifier(MLP((1, 8, 8), 10), 10)
    old = {name: value for name, value in task.state_dict().items() if not name.startswith("preprocessing")}
    with pytest.raises(RuntimeError, match="it has no preprocessing, as in versions before"):
        task.load_state_dict(old)


@pytest.mark.parametrize(
    ("raw", "error", "said"),
    [
        (
            torch.zeros(5, 1, 28, 28),
            TrainingError,
            r"inputs \(5, 1, 28, 28\) \(it was made for \(N, 1, 8, 8\)\)",
        ),
        (np.zeros((5, 1, 8, 8)), TypeError, r"Classifier takes a tensor \(N, ...\).*, not a ndarray"),
        ([1.0, 2.0], TypeError, "not a list"),
    ],
)
def test_a_model_that_is_called_with_something_else_says_what_it_takes(raw, error, said):
    with pytest.raises(error, match=said):
        Classifier(MLP((1, 8, 8), 10), 10)(raw)


def test_a_network_is_given_sequences_by_name():
    class Lengths(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(1, 2)

        def forward(self, inputs):
            return self.head(inputs.values[:, :1, 0] * inputs.lengths.unsqueeze(1))

    model = Classifier(Lengths(), 2)
    assert model((torch.ones(3, 5, 1), torch.tensor([5, 2, 1]))).shape == (3, 2)


def test_images_that_are_scaled_already_are_not_scaled_again_in_silence():
    prepare = Preprocessing(255)
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    with pytest.warns(UserWarning, match=r"lie in \[0, 1\], but the data's go up to 255: give raw values"):
        prepare(images / 255)
    with warnings.catch_warnings(action="error"):
        assert torch.equal(prepare(images), prepare(images.float()))
        prepare(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
