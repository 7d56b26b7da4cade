"""Networks have the stated sizes, take any input they say they take, and end in `head`."""

import pytest
import torch
from torch import nn

from models.networks import CNN, MLP, AlexNet, Linear, Recurrent, ResNet, TinyConv

NETWORKS = [Linear, MLP, CNN, TinyConv, AlexNet, ResNet, Recurrent]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def count(network, kind):
    return sum(isinstance(layer, kind) for layer in network.modules())


def test_the_perceptron_of_the_tutorial_has_235146_parameters():
    assert parameters(MLP((1, 28, 28), 10)) == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10 == 235_146


def test_a_linear_network_has_one_weight_for_each_pixel_and_class():
    assert parameters(Linear((1, 28, 28), 10)) == 7850


@pytest.mark.parametrize(("shape", "features"), [((3, 32, 32), 400), ((1, 28, 28), 256), ((2, 64, 48), 13 * 9 * 16)])
def test_the_convolutional_network_fits_images_of_any_size(shape, features):
    network = CNN(shape, 7)
    assert network.body[0].in_features == features
    assert network(torch.rand(2, *shape)).shape == (2, 7)


def test_the_convolutional_network_has_the_stated_parameters():
    convolutions = 3 * 25 * 6 + 6 + 6 * 25 * 16 + 16
    layers = 400 * 120 + 120 + 120 * 64 + 64 + 64 * 10 + 10
    assert parameters(CNN((3, 32, 32), 10, norm="none")) == convolutions + layers
    assert parameters(CNN((3, 32, 32), 10)) == convolutions + layers + 2 * (6 + 16)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_last_layer_is_called_head_and_can_be_replaced(network):
    made = network((1, 32, 32), 10)
    assert isinstance(made.head, nn.Linear)
    made.head = nn.Linear(made.head.in_features, 3)
    assert made(torch.rand(5, 1, 32, 32)).shape == (5, 3)


@pytest.mark.parametrize("widths", [[], [5], [7, 6, 5, 4], [300]])
def test_a_perceptron_has_any_widths(widths):
    network = MLP((2, 3), 4, widths)
    sizes = [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [*widths, 4]
    assert network(torch.rand(9, 2, 3)).shape == (9, 4)


def test_a_perceptron_without_hidden_layers_is_linear():
    network, reference = MLP((1, 8, 8), 10, []), Linear((1, 8, 8), 10)
    network.head.load_state_dict(reference.head.state_dict())
    inputs = torch.rand(5, 1, 8, 8)
    assert torch.equal(network(inputs), reference(inputs))


def test_a_perceptron_computes_what_its_layers_say():
    network, inputs = MLP((4,), 3, [5], activation="tanh"), torch.rand(6, 4)
    hidden = torch.tanh(inputs @ network.body[1].weight.T + network.body[1].bias)
    torch.testing.assert_close(network(inputs), hidden @ network.head.weight.T + network.head.bias)


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_every_hidden_layer_is_normalised(norm, kind):
    assert count(MLP((8,), 2, [6, 5, 4], norm=norm), kind) == 3
    assert count(MLP((8,), 2, [6, 5, 4]), kind) == 0


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", nn.ReLU), ("gelu", nn.GELU), ("tanh", nn.Tanh), ("silu", nn.SiLU)]
)
def test_every_hidden_layer_has_the_chosen_activation(activation, kind):
    assert count(MLP((8,), 2, [6, 5], activation=activation), kind) == 2


def test_dropout_follows_every_hidden_layer_and_acts_in_training_alone():
    network, inputs = MLP((8,), 2, [64, 64], dropout=0.5), torch.rand(4, 8)
    assert count(network, nn.Dropout) == 2
    assert count(MLP((8,), 2, [64, 64]), nn.Dropout) == 0
    assert not torch.equal(network(inputs), network(inputs))
    network.eval()
    assert torch.equal(network(inputs), network(inputs))


def test_measuring_an_image_size_draws_no_random_number():
    torch.manual_seed(0)
    network = CNN((1, 16, 16), 10)
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Linear(16, 120)]
    assert torch.equal(network.features[0].weight, layers[0].weight)
    assert torch.equal(network.body[0].weight, layers[2].weight)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_of_a_network_gets_a_gradient(network):
    made = network((1, 32, 32), 3)
    made(torch.rand(8, 1, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP((8,), 2, [4, 0]), r"MLP: widths \[4, 0\]"),
        (lambda: MLP((8,), 2, dropout=1.5), r"MLP: dropout 1\.5 is not in \[0, 1\)"),
        (lambda: MLP((8,), 2, dropout=-0.5), "MLP: dropout -0.5"),
        (lambda: CNN((1, 15, 16), 2), r"CNN: input_shape \(1, 15, 16\)"),
        (lambda: CNN((64,), 2), r"CNN: input_shape \(64,\)"),
        (lambda: CNN((1, 16, 16), 2, dropout=1), "CNN: dropout 1"),
        (lambda: TinyConv((3, 31, 32), 2), r"TinyConv: input_shape \(3, 31, 32\)"),
        (lambda: AlexNet((3, 32, 32), 2, stem="imagenet"), "AlexNet: .* at least 63×63 pixels"),
        (lambda: AlexNet((3, 32, 32), 2, dropout=1.0), "AlexNet: dropout 1.0"),
        (lambda: AlexNet((3, 32, 32), 2, width=0), "AlexNet: width 0 is less than 1"),
        (lambda: TinyConv((3, 32, 32), 2, channels=0), "TinyConv: channels 0 is less than 1"),
        (lambda: ResNet((3, 16, 16), 2, stem="imagenet"), "ResNet: .* at least 32×32 pixels"),
        (lambda: ResNet((3, 32, 32), 2, stochastic_depth=1.0), "ResNet: stochastic_depth 1.0"),
    ],
)
def test_what_cannot_be_built_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_tiny_network_of_the_tutorial_has_766_parameters_and_is_linear():
    network = TinyConv((3, 32, 32), 10)
    assert parameters(network) == (3 * 64 * 3 + 3) + (3 * 16 * 3 + 3) + (3 * 10 + 10) == 766
    one, two, zero = torch.rand(3, 1, 3, 32, 32)
    zero = torch.zeros_like(zero)
    assert torch.allclose(network(one + two), network(one) + network(two) - network(zero), atol=1e-5)


def test_the_large_alexnet_has_the_published_number_of_parameters():
    assert parameters(AlexNet((3, 224, 224), 1000, stem="imagenet")) == 61_100_840
