"""Pretrained networks end in a new head and load weights from elsewhere, and frozen parts do not move by a bit."""

import functools
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

from datamodules import Digits
from models import Classifier
from models.networks import CNN, MLP, Pretrained, ResNet
from models.networks.stages import stages
from models.networks.weight_files import skip_initial_weights, whole_initial_weights

SMALL = ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0"]
LARGE = ["alexnet", "vgg11", "densenet121", "googlenet", "inception_v3", "convnext_tiny", "swin_t", "vit_b_16"]
GREY = (1, 8, 8)
raw = functools.partial(Digits, mean=[0.0], std=[1.0])
resnet20 = functools.partial(ResNet, depth=20)


def pretrained(architecture="resnet18", weights=None, shape=GREY, num_classes=10, **options):
    torch.manual_seed(0)
    return Pretrained(shape, num_classes, architecture, weights, **({"resize": 32} | options))


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def state(module: nn.Module) -> dict:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("architecture", SMALL)
def test_a_network_of_torchvision_gets_a_new_head_and_a_gradient_everywhere(architecture):
    network = pretrained(architecture, shape=(3, 32, 32), num_classes=4)
    assert isinstance(network.head, nn.Linear)
    logits = network(torch.rand(3, 3, 32, 32))
    assert logits.shape == (3, 4)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("architecture", LARGE)
def test_the_head_is_found_whatever_torchvision_calls_it(architecture):
    with torch.device("meta"):
        network = Pretrained((1, 28, 28), 4, architecture, None)
        assert network(torch.empty(2, 1, 28, 28)).shape == (2, 4)
    assert not any(isinstance(layer, nn.Linear) and layer.out_features == 1000 for layer in network.modules())


@pytest.mark.parametrize(
    ("architecture", "count", "first", "last"),
    [
        ("resnet18", 5, ["conv1", "bn1"], ["layer4"]),
        ("alexnet", 7, ["features.0"], ["classifier.4"]),
        ("densenet121", 8, ["features.conv0", "features.norm0"], ["features.denseblock4", "features.norm5"]),
        ("convnext_tiny", 8, ["features.0"], ["features.7", "classifier.0"]),
        ("vit_b_16", 13, ["conv_proj"], ["encoder.layers.encoder_layer_11", "encoder.ln"]),
        (functools.partial(MLP, widths=[6, 5, 4], norm="batch"), 3, ["body.1", "body.2"], ["body.7", "body.8"]),
    ],
)
def test_blocks_are_counted_as_documented_and_hold_every_parameter_once(architecture, count, first, last):
    with torch.device("meta"):
        network = pretrained(architecture, resize=224 if isinstance(architecture, str) else None)
    names = {id(module): name for name, module in network.backbone.named_modules()}
    blocks = network.blocks()
    with_parameters = [[names[id(m)] for m in block.modules if any(True for _ in m.parameters())] for block in blocks]
    assert (len(blocks), with_parameters[0], with_parameters[-1]) == (count, first, last)
    held = [id(parameter) for block in blocks for parameter in block.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in network.backbone.parameters())


def test_what_has_no_weights_belongs_to_the_stage_before_and_the_first_to_the_first():
    norm, first, activation, second = nn.BatchNorm1d(4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)
    dropout = nn.Dropout()
    features = nn.Sequential(norm, first, activation, second)
    found = stages(nn.ModuleDict({"features": features, "dropout": dropout, "head": nn.Linear(4, 2)}))
    assert [stage.modules for stage in found] == [[norm, first, activation], [second, dropout]]
    assert stages(nn.ModuleDict({"head": nn.Linear(4, 2)})) == []


@pytest.mark.parametrize(("train", "frozen"), [("head", 5), ("last:1", 4), ("last:4", 1), ("last:5", 0), ("all", 0)])
def test_what_is_frozen_does_not_move_by_a_bit_and_all_else_does(fit, train, frozen):
    network = pretrained(train=train)
    before = state(network.backbone)
    head = state(network.head)
    optimizer = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1)
    task = Classifier(network, 10, optimizer=optimizer, decay_norms_and_biases=True)
    task.train()
    fit(task, raw(batch_size=64), max_epochs=2, limit_train_batches=2)
    after = network.backbone.state_dict()
    of_block = [("conv1.", "bn1."), *((f"layer{number}.",) for number in (1, 2, 3, 4))]
    for number, prefixes in enumerate(of_block):
        names = [name for name in after if name.startswith(prefixes)]
        moved = {name for name in names if not torch.equal(after[name], before[name])}
        assert moved == (set() if number < frozen else set(names))
    assert not same(network.head.state_dict(), head)


@pytest.mark.parametrize(("train", "random"), [("head", False), ("last:1", True)])
def test_dropout_of_a_frozen_part_is_off_while_training(train, random):
    network = pretrained(functools.partial(MLP, widths=[64, 64], dropout=0.5), resize=None, train=train)
    network.train()
    inputs = torch.rand(4, *GREY)
    assert torch.equal(network(inputs), network(inputs)) is not random


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_weights_of_a_file_are_taken_but_for_the_head(architecture, suffix, tmp_path):
    theirs = torchvision.models.get_model(architecture, num_classes=7)
    path = tmp_path / f"weights.{suffix}"
    (safetensors.torch.save_file if suffix == "safetensors" else torch.save)(theirs.state_dict(), path)
    network = pretrained(architecture, str(path))
    wanted, found = theirs.state_dict(), network.backbone.state_dict()
    assert found
    assert all(torch.equal(value, wanted[name]) for name, value in found.items())


@pytest.mark.parametrize("architecture", ["squeezenet1_1", "googlenet", "inception_v3"])
def test_published_weights_are_taken_from_torchvisions_cache(architecture, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    options = {"init_weights": False} if "cept" in architecture or "google" in architecture else {}
    theirs = torchvision.models.get_model(architecture, **options).state_dict()
    address = torchvision.models.get_model_weights(architecture).DEFAULT.url
    cached = tmp_path / "hub/checkpoints" / Path(address).name
    cached.parent.mkdir(parents=True)
    torch.save(theirs, cached)
    found = pretrained(architecture, "DEFAULT", resize=80).backbone.state_dict()
    assert found
    assert all(torch.equal(value, theirs[name]) for name, value in found.items())


def test_no_network_and_no_weights_is_one_line_with_the_address(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(
        ValueError,
        match=r"cannot be downloaded .*download https://.*/(resnet18-\w+\.pth) elsewhere and copy it to .*/\1$",
    ) as said:
        pretrained("resnet18", "IMAGENET1K_V1")
    assert "\n" not in str(said.value)


def test_damaged_published_weights_are_one_line_with_the_file_to_delete(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=rf"IMAGENET1K_V1 is damaged .*delete {cached}$") as said:
        pretrained("resnet18", "DEFAULT")
    assert "\n" not in str(said.value)


def five_classes(first: int, **options) -> Digits:
    """Digits with five of the ten classes."""

    class Five(Digits):
        class_names = tuple(str(digit) for digit in range(first, first + 5))

        def load(self):
            samples = super().load()
            chosen = (samples.targets >= first) & (samples.targets < first + 5)
            return type(samples)(samples.inputs[chosen], samples.targets[chosen] - first)

    return Five(batch_size=50, **options)


def test_a_network_trained_here_on_five_classes_is_transferred_to_the_other_five(fit, tmp_path):
    source = Classifier(CNN((1, 16, 16), 5), 5, loss=nn.CrossEntropyLoss(torch.ones(5)))
    source.network = pretrained(CNN, resize=16, num_classes=5)
    trainer = fit(source, five_classes(0, mean=[0.3], std=[0.4]), max_epochs=6)
    trainer.save_checkpoint(tmp_path / "source.ckpt")
    accuracies = []
    for weights in (str(tmp_path / "source.ckpt"), None):
        network = pretrained(CNN, weights, num_classes=5, resize=16, train="head")
        if weights:
            assert same(network.backbone.state_dict(), source.network.backbone.state_dict())
            assert not same(network.head.state_dict(), source.network.head.state_dict())
        done = fit(Classifier(network, 5, optimizer=functools.partial(torch.optim.Adam, lr=0.01)),
                   five_classes(5, mean=[0.0], std=[1.0]), max_epochs=3)  # fmt: skip
        accuracies.append(done.callback_metrics["val/accuracy"].item())
    assert accuracies[0] > accuracies[1] + 0.05


def test_inputs_may_be_features_that_were_computed_before():
    network = pretrained(resnet20, resize=None, train="head").eval()
    images = torch.rand(3, *GREY)
    features, logits = network.features(images), network(images)
    assert network.inputs_are_features is False
    network.inputs_are_features = True
    assert network.features(features) is features
    assert torch.equal(network(features), logits)
    network.inputs_are_features = False
    assert torch.equal(network(images), logits)


def test_skipped_weights_are_neither_read_nor_downloaded():
    with skip_initial_weights():
        pretrained("resnet18", "gone.pt")
        pretrained("resnet18", "IMAGENET1K_V1")
        pretrained(resnet20, "gone.ckpt", resize=None)
        resnet20(GREY, 10, weights="gone.pt")
    with pytest.raises(ValueError, match=r"no file gone\.pt"):
        pretrained("resnet18", "gone.pt")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pretrained("resnet81"), "no classification network 'resnet81'; did you mean 'resnet18'"),
        (lambda: pretrained("fasterrcnn_resnet50_fpn"), "no classification network"),
        (lambda: pretrained(weights="IMAGENET"), "resnet18 has none called 'IMAGENET'; there are IMAGENET1K_V1"),
        (
            lambda: pretrained(resnet20, weights="DEFAULT"),
            "'DEFAULT' is not a file .* only torchvision's networks have weights",
        ),
        (lambda: pretrained(train="last:6"), "train: last:6 is more than the 5 blocks that resnet18 has"),
        (lambda: pretrained(train="last:0"), "train: 'last:0' is not all, head or last:<n>"),
        (lambda: pretrained(train="tail"), "train: 'tail' is not all"),
        (lambda: pretrained(resize=0), "resize 0 is less than 1"),
        (lambda: pretrained("vit_b_32", resize=None), r"vit_b_32 does not take images of size 8×8; set resize"),
        (lambda: pretrained(shape=(2, 8, 8)), "takes images of 1 or 3 channels, not 2"),
        (lambda: pretrained(shape=(64,)), r"input_shape \(64,\) is not \(C, H, W\)"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(make, said):
    with pytest.raises(ValueError, match=said) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("architecture", ["resnet18", "mobilenet_v3_small"])
def test_weights_that_are_measured_keep_their_head(tmp_path, architecture):
    torch.manual_seed(1)
    published = torchvision.models.get_model(architecture, num_classes=10).eval()
    torch.save(published.state_dict(), tmp_path / "weights.pth")
    with whole_initial_weights():
        network = pretrained(architecture, str(tmp_path / "weights.pth"), shape=(3, 32, 32)).eval()
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(images), published(images))
    trained = pretrained(architecture, str(tmp_path / "weights.pth"), shape=(3, 32, 32)).eval()
    assert not torch.equal(trained.head.weight, network.head.weight)


def test_a_head_that_is_not_linear_cannot_be_measured(tmp_path):
    torch.save(torchvision.models.squeezenet1_1(num_classes=10).state_dict(), tmp_path / "weights.pth")
    with whole_initial_weights(), pytest.raises(ValueError, match="has no linear head, and the data needs one of"):
        pretrained("squeezenet1_1", str(tmp_path / "weights.pth"), shape=(3, 32, 32))
