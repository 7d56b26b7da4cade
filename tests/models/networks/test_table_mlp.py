"""The perceptron for tables: an embedding is a lookup, and without wide categories it is the MLP."""

import torch

from models.init_args import to_config
from models.networks import MLP, TableMLP


def test_an_embedding_is_a_row_of_weights_for_each_value():
    torch.manual_seed(0)
    network = TableMLP((2 + 30,), 3, [(1, 30)], widths=[8])
    inputs = torch.zeros(30, 32)
    inputs[:, 0], inputs[:, 31] = 0.5, -0.5
    inputs[torch.arange(30), 1 + torch.arange(30)] = 1
    (embedding,) = network.embeddings
    joined = torch.cat([inputs[:, [0, 31]], embedding.weight.T], dim=1)
    torch.testing.assert_close(network(inputs), network.head(network.body(joined)))
    assert embedding.weight.shape == (round(1.6 * 30**0.56), 30)


def test_without_categories_of_many_values_it_is_the_mlp():
    torch.manual_seed(0)
    plain = MLP((5,), 3, widths=[8], dropout=0.1).eval()
    network = TableMLP((5,), 3, widths=[8], dropout=0.1).eval()
    network.load_state_dict(plain.state_dict())
    inputs = torch.randn(4, 5)
    assert torch.equal(network(inputs), plain(inputs))


def test_it_is_rebuilt_from_the_arguments_that_it_records():
    network = TableMLP((32,), 3, [(1, 30)], widths=[8])
    config = to_config(network)
    again = TableMLP(**config["init_args"])
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
