"""ResNets have the published sizes, compute the outputs of torchvision's, and load weights that fit or refuse them."""

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

from models.networks import ResNet
from models.networks.resnet import PaddingShortcut


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("depth", "millions"),
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.73), (18, 11.17), (34, 21.28), (50, 23.52)],
)
def test_parameters_are_as_many_as_published(depth, millions):
    assert parameters(ResNet((3, 32, 32), 10, depth=depth)) / 1e6 == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_with_its_weights_it_computes_what_torchvisions_does(depth, tmp_path):
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.weight)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    ours = ResNet((3, 64, 64), 7, depth=depth, stem="imagenet", weights=str(tmp_path / "theirs.pt")).eval()
    images = torch.randn(3, 3, 64, 64)
    same_layout = images.contiguous(memory_format=torch.channels_last)  # another adds up in another order
    assert torch.equal(ours(images), theirs(same_layout))


def public_names(network: ResNet, shortcut: str) -> dict[str, torch.Tensor]:
    """The weights under the names of the public CIFAR ResNets."""
    named = network.state_dict().items()
    return {f"module.{k.replace('head.', 'linear.').replace('downsample', shortcut)}": v for k, v in named}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("options", [{"depth": 20}, {"depth": 18}, {"depth": 20, "shortcut": "projection"}])
def test_weights_under_the_names_of_public_cifar_resnets_are_taken(options, wrapped, tmp_path):
    made = ResNet((3, 32, 32), 10, **options)
    weights = public_names(made, "shortcut")
    torch.save({"state_dict": weights, "best": 91.7} if wrapped else weights, tmp_path / "public.th")
    loaded = ResNet((3, 32, 32), 10, **options, weights=str(tmp_path / "public.th"))
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_its_own_weights_come_back_from_safetensors(tmp_path):
    made = ResNet((1, 8, 8), 10, depth=20)
    safetensors.torch.save_file(made.state_dict(), tmp_path / "own.safetensors")
    loaded = ResNet((1, 8, 8), 10, depth=20, weights=str(tmp_path / "own.safetensors"))
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weights: weights.pop("layer1.0.conv1.weight"), r"no layer1\.0\.conv1\.weight$"),
        (lambda weights: weights.update(extra=torch.ones(1)), "extra is not in the network"),
        (lambda weights: weights.update({"head.bias": torch.ones(3)}), r"head\.bias is \(3,\), not \(10,\)"),
        (lambda weights: [weights.pop(name) for name in list(weights)[:30]], "and 2[0-9] more"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_none_is_loaded(change, said, tmp_path):
    weights = ResNet((3, 32, 32), 10, depth=20).state_dict()
    change(weights)
    torch.save(weights, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=said):
        ResNet((3, 32, 32), 10, depth=20, weights=str(tmp_path / "other.pt"))


@pytest.mark.parametrize("content", [None, b"no weights", b""])
def test_a_file_that_is_no_weights_is_named(content, tmp_path):
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights: .*weights\.pt"):
        ResNet((3, 32, 32), 10, depth=20, weights=str(path))


def test_the_shortcut_without_parameters_keeps_every_second_pixel_and_pads_channels():
    images = torch.randn(2, 16, 8, 8)
    shortened = PaddingShortcut(16, 32, 2)(images)
    assert torch.equal(shortened[:, 8:24], images[:, :, ::2, ::2])
    assert shortened[:, :8].abs().sum() + shortened[:, 24:].abs().sum() == 0


def test_zero_initialised_blocks_begin_as_their_shortcuts():
    network = ResNet((3, 32, 32), 10, depth=20, zero_init_last_norm=True)
    images = torch.rand(2, 16, 8, 8)
    assert torch.equal(network.layer1(images), images)


def test_stochastic_depth_skips_later_blocks_more_often_and_none_in_evaluation():
    network = ResNet((3, 32, 32), 10, depth=20, stochastic_depth=0.9)
    rates = [block.drop_path.p for stage in (network.layer1, network.layer2, network.layer3) for block in stage]
    assert rates == pytest.approx([0.1 * k for k in range(1, 10)])
    images = torch.randn(4, 3, 32, 32)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("depth", [20, 50])
def test_weights_and_modules_keep_the_order_in_which_torchvision_has_them(depth):
    names = [name for name, _ in ResNet((3, 32, 32), 10, depth=depth, shortcut="projection").layer2[0].named_children()]
    layers = [f"{kind}{number}" for number in range(1, 3 + (depth == 50)) for kind in ("conv", "bn")]
    assert names == [*layers, "downsample", "drop_path", "drop_block"]


@pytest.mark.parametrize(("side", "stem"), [(32, "cifar"), (95, "cifar"), (96, "imagenet"), (224, "imagenet")])
def test_the_stem_suits_the_images_where_it_is_left_open(side, stem):
    found, expected = (ResNet((3, side, side), 2, 18, stem=named).state_dict() for named in ("auto", stem))
    assert {name: value.shape for name, value in found.items()} == {k: v.shape for k, v in expected.items()}
