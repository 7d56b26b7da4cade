"""The gallery shows the most confident mistakes, as the images were."""

import pytest
import torch

from callbacks import MisclassifiedGallery
from callbacks.misclassified import Mistake, draw_mistakes
from datamodules import Digits
from models import Classifier, MultiLabelClassifier
from models.networks import Linear
from tests.digit_labels import DigitLabels, WeightedDigits


@pytest.fixture
def task():
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10)


def reference(task, data, count):
    """The mistakes on the test part, most confident first: (confidence, predicted, actual, raw image)."""
    inputs = data.samples.inputs[data.split.test]
    targets = data.samples.targets[data.split.test]
    with torch.no_grad():
        confidences, predicted = task(inputs).softmax(-1).max(-1)
    wrong = (predicted != targets).nonzero().flatten()
    order = wrong[confidences[wrong].argsort(descending=True)][:count]
    return [(confidences[k].item(), predicted[k].item(), targets[k].item(), inputs[k] / 16) for k in order], len(wrong)


@pytest.mark.parametrize("batch_size", [7, 512])
def test_it_keeps_the_most_confident_mistakes_whatever_the_batches(quiet_trainer, task, tmp_path, batch_size):
    data, gallery = Digits(eval_batch_size=batch_size), MisclassifiedGallery(count=10)
    quiet_trainer(callbacks=[gallery]).test(task, data, verbose=False)
    expected, wrong = reference(task, data, 10)
    assert (gallery._wrong, gallery._seen) == (wrong, 359)
    for mistake, (confidence, predicted, actual, image) in zip(gallery._worst, expected, strict=True):
        assert mistake.confidence == pytest.approx(confidence, abs=1e-6)
        assert (mistake.predicted, mistake.actual) == (predicted, actual)
        assert torch.allclose(mistake.image, image, atol=1e-6)
    assert (tmp_path / "figures" / "misclassified.png").read_bytes().startswith(b"\x89PNG")


def test_without_mistakes_there_is_no_picture(quiet_trainer, task, tmp_path):
    class Perfect(Digits):
        """Digits that are all what the network says."""

        def load(self):
            samples = super().load()
            with torch.no_grad():
                samples.targets[:] = torch.arange(len(samples.targets)) % 10
            return samples

    data, gallery = Perfect(), MisclassifiedGallery()
    data.setup()

    class Oracle(Classifier):
        def test_step(self, batch, batch_idx):
            super().test_step(batch, batch_idx)
            return torch.nn.functional.one_hot(batch[1], 10).float()

    quiet_trainer(callbacks=[gallery]).test(Oracle(task.network, 10), data, verbose=False)
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_drawn_with_its_classes_in_grey_or_colour(channels):
    image = torch.rand(channels, 5, 4)
    (axes,) = draw_mistakes([Mistake(0.93, 1, 0, image)] * 8, ("cat", "dog"), "title", columns=6).axes
    assert len(axes.get_images()) == 8
    assert [text.get_text() for text in axes.texts[:2]] == ["dog 93%", "is cat"]
    drawn = torch.as_tensor(axes.get_images()[0].get_array().data)
    assert torch.allclose(drawn.float(), image[0] if channels == 1 else image.permute(1, 2, 0), atol=1 / 255)


def test_weights_of_samples_change_nothing(quiet_trainer, task):
    data, gallery = WeightedDigits(), MisclassifiedGallery(count=10)
    quiet_trainer(callbacks=[gallery]).test(task, data, verbose=False)
    expected, wrong = reference(task, data, 10)
    assert (gallery._wrong, gallery._seen) == (wrong, 359)
    assert [mistake.predicted for mistake in gallery._worst] == [predicted for _, predicted, _, _ in expected]


def test_several_labels_per_image_have_no_picture(quiet_trainer, tmp_path):
    task = MultiLabelClassifier(Linear((1, 8, 8), 3), 3)
    quiet_trainer(callbacks=[MisclassifiedGallery()]).test(task, DigitLabels(), verbose=False)
    assert not (tmp_path / "figures").exists()
