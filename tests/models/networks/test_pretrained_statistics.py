"""A pretrained network normalises images by the statistics of its weights if they have any, and not otherwise."""

import functools
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from datamodules import Digits
from models import Classifier
from models.networks import Pretrained, ResNet
from models.networks.torchvision_network import published_transform
from models.networks.weight_files import skip_initial_weights

GREY = (1, 8, 8)
resnet20 = functools.partial(ResNet, depth=20)


def pretrained(architecture, weights=None, shape=GREY, **options):
    torch.manual_seed(0)
    return Pretrained(shape, 10, architecture, weights, **({"resize": None} | options))


def save_checkpoint(path: Path | str, network: nn.Module, **entries) -> str:
    """Write a checkpoint as a run writes it, with `entries` beside the network's weights in its state dict."""
    split = {"split": {"normalization": entries.pop("recorded")}} if "recorded" in entries else {}
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"pytorch-lightning_version": "2.6.6", "state_dict": weights | entries, **split}, path)
    return str(path)


def statistics(mean: float, std: float, name: str = "preprocessing") -> dict[str, torch.Tensor]:
    return {f"{name}.mean": torch.tensor([mean]), f"{name}.std": torch.tensor([std])}


@pytest.mark.parametrize("older", [False, True])
def test_a_plain_network_of_ours_brings_the_statistics_of_its_data(older, tmp_path):
    source = resnet20(GREY, 10)
    entries = {"recorded": {"mean": [0.3], "std": [0.4]}} if older else statistics(0.3, 0.4)
    network = pretrained(resnet20, save_checkpoint(tmp_path / "source.ckpt", source, **entries))
    assert (network.transform.mean.item(), network.transform.std.item()) == pytest.approx((0.3, 0.4))
    network.head.load_state_dict(source.head.state_dict())
    images = torch.rand(4, *GREY)
    torch.testing.assert_close(network.eval()(images), source.eval()((images - 0.3) / 0.4))


def test_a_run_carries_the_statistics_of_its_data(fit, tmp_path):
    task = Classifier(resnet20(GREY, 10), 10)
    data = Digits(batch_size=700, mean=[0.3], std=[0.4])
    fit(task, data, limit_train_batches=1).save_checkpoint(tmp_path / "source.ckpt")
    network = pretrained(resnet20, str(tmp_path / "source.ckpt"))
    assert (network.transform.mean.item(), network.transform.std.item()) == pytest.approx((0.3, 0.4))


@pytest.mark.parametrize(
    "of_task",
    [
        statistics(0.3, 0.4),
        {"recorded": {"mean": [0.9], "std": [0.9]}} | statistics(0.3, 0.4),  # the record is not applied then
    ],
)
def test_the_statistics_of_a_pretrained_network_and_of_its_data_come_together(of_task, tmp_path):
    source = pretrained(resnet20)
    source.transform.mean.fill_(0.2)
    source.transform.std.fill_(0.5)
    network = pretrained(resnet20, save_checkpoint(tmp_path / "source.ckpt", source, **of_task))
    images = torch.rand(4, *GREY)
    expected = source.eval().features((images - 0.3) / 0.4)
    torch.testing.assert_close(network.eval().features(images), expected)


@pytest.mark.parametrize("of_task", [{}, statistics(0.0, 1.0), {"recorded": {"mean": [0.9], "std": [0.9]}}])
def test_a_network_that_normalised_by_itself_is_not_given_the_statistics_of_its_data(of_task, tmp_path):
    source = pretrained(resnet20)
    source.transform.mean.fill_(0.2)
    source.transform.std.fill_(0.5)
    network = pretrained(resnet20, save_checkpoint(tmp_path / "source.ckpt", source, **of_task))
    assert (network.transform.mean.item(), network.transform.std.item()) == pytest.approx((0.2, 0.5))


@pytest.mark.parametrize(
    ("architecture", "kind", "mean"),
    [
        ("resnet18", None, None),
        ("resnet18", "pt", None),
        ("resnet18", "ckpt", [0.1, 0.2, 0.3]),
        ("resnet18", "DEFAULT", [0.485, 0.456, 0.406]),
        (resnet20, None, None),
        (resnet20, "pt", None),
        (resnet20, "ckpt", [0.1, 0.2, 0.3]),
    ],
)
def test_a_network_normalises_only_if_its_weights_have_statistics(architecture, kind, mean, tmp_path, monkeypatch):
    shape = (3, 32, 32)
    source = torchvision.models.resnet18() if architecture == "resnet18" else resnet20(shape, 10)
    weights = kind and str(tmp_path / f"source.{kind}")
    if kind == "pt":
        torch.save(source.state_dict(), weights)
    elif kind == "ckpt":
        entries = {"preprocessing.mean": torch.tensor(mean), "preprocessing.std": torch.full((3,), 0.5)}
        save_checkpoint(weights, source, **entries)
    elif kind == "DEFAULT":
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        (tmp_path / "hub/checkpoints").mkdir(parents=True)
        torch.save(source.state_dict(), tmp_path / "hub/checkpoints/resnet18-f37072fd.pth")
        weights = kind
    network, images = pretrained(architecture, weights, shape), torch.rand(2, *shape)
    assert network.normalizes_inputs is (mean is not None)
    torch.testing.assert_close(network.transform.mean, torch.tensor(mean or [0.0, 0.0, 0.0]))
    assert torch.equal(network.transform(images), images) is (mean is None)
    with skip_initial_weights():  # as evaluation builds it from the run's own checkpoint
        assert pretrained(architecture, weights, shape).normalizes_inputs is (mean is not None)


@pytest.mark.parametrize("lightning", [False, True])
def test_a_checkpoint_without_statistics_is_refused_with_a_way_out(lightning, tmp_path):
    path = tmp_path / "source.ckpt"
    if lightning:
        save_checkpoint(path, resnet20(GREY, 10))
    else:
        torch.save(resnet20(GREY, 10).state_dict(), path)
    with pytest.raises(ValueError, match=r"source\.ckpt holds no mean and std .* as a \.pt file"):
        pretrained(resnet20, str(path))
    torch.save(resnet20(GREY, 10).state_dict(), tmp_path / "source.pt")
    assert not pretrained(resnet20, str(tmp_path / "source.pt")).normalizes_inputs


@pytest.mark.parametrize("size", [28, 300])
def test_images_are_resized_repeated_and_normalised_as_the_weights_want(size):
    grey = torch.rand(2, 1, size, size)
    published = torchvision.models.ResNet18_Weights.DEFAULT
    transform = published_transform(published, "weights", normalize=True)
    theirs = published.transforms(resize_size=224)
    torch.testing.assert_close(transform(grey), theirs(grey.expand(-1, 3, -1, -1)))
    assert published_transform(published, None, normalize=False)(grey).shape == (2, 3, size, size)
