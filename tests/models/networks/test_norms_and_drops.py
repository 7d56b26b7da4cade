"""Norms by name, spatial dropout and DropBlock: where networks have them and how they act."""

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.networks import CNN, MLP, ResNet
from models.networks.drop_block import DropBlock
from models.networks.norms import group_count

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
NETWORKS = [
    functools.partial(MLP, (1, 16, 16), 3),
    functools.partial(CNN, (1, 16, 16), 3, dropout=0.0),
    functools.partial(ResNet, (1, 16, 16), 3, depth=20),
]


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("make", NETWORKS)
def test_without_batch_norm_a_sample_is_seen_by_itself(make, norm):
    network, images = make(norm=norm), torch.rand(4, 1, 16, 16)
    assert not any(isinstance(layer, BATCH_NORMS) for layer in network.modules())
    assert any(isinstance(layer, nn.GroupNorm | nn.LayerNorm) for layer in network.modules())
    torch.testing.assert_close(network(images)[:1], network(images[:1]), atol=1e-5, rtol=1e-4)


def test_layer_norm_of_images_normalises_over_channels_and_places():
    network = CNN((1, 16, 16), 3, norm="layer")
    maps = network.features[:2](5 + 3 * torch.rand(2, 1, 16, 16))
    torch.testing.assert_close(maps.mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.var((1, 2, 3), correction=0), torch.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (6, 3), (7, 1), (9, 3), (16, 8), (64, 32), (100, 25), (512, 32)]
)
def test_groups_divide_the_channels_and_are_of_two_or_more(channels, groups):
    assert group_count(channels) == groups
    nn.GroupNorm(group_count(channels), channels)


def test_a_resnet_with_group_norm_begins_with_identities_if_asked_to():
    network = ResNet((3, 32, 32), 10, depth=20, norm="group", zero_init_last_norm=True)
    images = torch.rand(2, 16, 8, 8)
    assert torch.equal(network.layer1(images), images)


@pytest.mark.parametrize("options", [{"drop_block": 0.5}, {"spatial_dropout": 0.5}])
def test_dropping_changes_no_name_of_a_weight_and_nothing_in_evaluation(options):
    make = functools.partial(CNN if "spatial_dropout" in options else ResNet, (1, 16, 16), 3)
    torch.manual_seed(0)
    plain = make().eval()
    torch.manual_seed(0)
    dropping = make(**options).eval()
    assert list(plain.state_dict()) == list(dropping.state_dict())
    images = torch.rand(4, 1, 16, 16)
    assert torch.equal(plain(images), dropping(images))
    dropping.train()
    assert not torch.equal(dropping(images), dropping(images))


def test_weights_of_the_convolutional_network_are_called_as_they_always_were():
    names = {name.rpartition(".")[0] for name in CNN((1, 16, 16), 3).state_dict()}
    assert names == {"features.0", "features.1", "features.4", "features.5", "body.0", "body.3", "head"}


def test_spatial_dropout_drops_whole_channels():
    torch.manual_seed(0)
    network = CNN((1, 32, 32), 3, spatial_dropout=0.5)
    dropped = network.features[3](torch.ones(500, 6, 28, 28)).flatten(2)
    assert ((dropped == 0).all(-1) | (dropped == 2).all(-1)).all()
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)  # 5 σ of 3,000 draws


def test_a_resnet_drops_blocks_in_its_last_two_stages_only():
    network = ResNet((3, 32, 32), 10, depth=18, drop_block=0.2, block_size=3)
    assert [getattr(network, stage)[0].drop_block.p for stage in network.stages] == [0, 0, 0.2, 0.2]


def test_drop_block_drops_squares_of_each_channel_of_each_sample_by_itself():
    torch.manual_seed(0)
    dropped = (DropBlock(0.3, 3)(torch.ones(50, 4, 15, 15)) == 0).float()
    assert len(dropped.flatten(2).flatten(0, 1).unique(dim=0)) == 200
    corners = (F.avg_pool2d(dropped, 3, stride=1) > 0.99).float()  # of squares that are dropped whole
    assert torch.equal(F.max_pool2d(F.pad(corners, (2, 2, 2, 2)), 3, stride=1), dropped)


@pytest.mark.parametrize(("side", "size"), [(15, 3), (8, 5), (4, 5), (1, 7), (4, 1)])
def test_drop_block_drops_about_the_stated_share_and_keeps_the_sum(side, size):
    torch.manual_seed(0)
    after = DropBlock(0.1, size)(torch.ones(200, 32, side, side))
    assert (after == 0).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert after.mean().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_drop_block_counts_right_in_half_precision(kind):
    torch.manual_seed(0)
    after = DropBlock(0.1, 3)(torch.ones(64, 32, 16, 16, dtype=kind))  # 524,288 values; float16 ends at 65,504
    assert after.dtype == kind
    assert after.float().mean().item() == pytest.approx(1, abs=0.01)


def test_drop_block_of_zero_is_the_identity_and_draws_nothing():
    images, state = torch.rand(2, 3, 8, 8), torch.get_rng_state()
    assert DropBlock(0.0, 3)(images) is images
    assert DropBlock(0.5, 3).eval()(images) is images
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CNN((1, 16, 16), 2, spatial_dropout=1.0), "CNN: spatial_dropout 1.0"),
        (lambda: CNN((1, 16, 16), 2, drop_block=-0.1), "CNN: drop_block -0.1"),
        (lambda: ResNet((3, 32, 32), 2, drop_block=1.0), "ResNet: drop_block 1.0"),
        (lambda: ResNet((3, 32, 32), 2, block_size=4), "DropBlock: block_size 4 is not odd"),
        (lambda: DropBlock(1.0, 3), "DropBlock: rate 1.0"),
    ],
)
def test_what_is_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
