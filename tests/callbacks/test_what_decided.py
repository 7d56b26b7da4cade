"""What decided on the most confident mistakes is drawn on request, by captum."""

import importlib.util

import pytest
import torch
from PIL import Image

from callbacks import WhatDecided, what_decided
from callbacks.misclassified import Mistake
from callbacks.what_decided import explain
from datamodules import Digits
from datamodules.errors import MissingPackageError
from models import Classifier
from models.networks import CNN, Linear, ResNet


@pytest.fixture(autouse=True)
def _captum() -> None:
    pytest.importorskip("captum")


def digits_like(task, size, channels=1):
    task.preprocessing.__init__(16.0, [0.3] * channels, [0.4] * channels)
    return [Mistake(0.9, k, 9 - k, torch.rand(channels, size, size)) for k in range(3)]


def test_the_gradients_add_up_to_what_the_image_changes_in_a_linear_network() -> None:
    torch.manual_seed(0)
    task = Classifier(Linear((1, 8, 8), 10), 10).eval()
    mistakes = digits_like(task, 8)
    for explanation in explain(task, mistakes):
        mistake = explanation.mistake
        with torch.no_grad():
            logits = [task(raw * 16)[0, mistake.predicted] for raw in (mistake.image[None], torch.zeros(1, 1, 8, 8))]
        assert explanation.gradients.sum().item() == pytest.approx((logits[0] - logits[1]).item(), abs=1e-4)
        assert explanation.areas is None


@pytest.mark.filterwarnings("ignore:the inputs lie in")
@pytest.mark.parametrize("network", [CNN, ResNet])
def test_networks_with_convolutions_have_grad_cam_and_stay_as_they_are(network) -> None:
    torch.manual_seed(0)
    options = {"depth": 18, "stem": "cifar"} if network is ResNet else {}
    task = Classifier(network((3, 16, 16), 10, **options), 10).eval()
    mistakes = digits_like(task, 16, channels=3)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    with torch.inference_mode():  # as Lightning tests
        (first, *_) = explain(task, mistakes)
    assert first.areas.shape == first.gradients.shape == (16, 16)
    assert first.areas.min() >= 0
    assert all(torch.equal(value, before[name]) for name, value in task.network.state_dict().items())
    assert all(parameter.grad is None for parameter in task.parameters())
    assert not any(module._forward_hooks for module in task.network.modules())
    assert [picture.shape for picture in first.pictures()] == [(3, 16, 16)] * 2


def test_a_test_draws_it(quiet_trainer, tmp_path) -> None:
    torch.manual_seed(0)
    task = Classifier(Linear((1, 8, 8), 10), 10)
    quiet_trainer(callbacks=[WhatDecided()]).test(task, Digits(), verbose=False)
    assert Image.open(tmp_path / "figures" / "what_decided.png").size[0] > 600


def test_without_captum_it_says_how_to_get_it(monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("datamodules.optional.find_spec", lambda name: None if name == "captum" else found(name))
    with pytest.raises(MissingPackageError, match=r"WhatDecided needs captum: pip install 'holdout\[explain\]'"):
        what_decided.WhatDecided()
