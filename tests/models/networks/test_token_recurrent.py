"""Token ids are embedded, then read as any sequence; padding has no influence."""

import pytest
import torch

from models.networks import TokenRecurrent
from models.networks.recurrent import Recurrent
from models.networks.stages import stages


def made(**options):
    torch.manual_seed(0)
    return TokenRecurrent((5,), 3, 11, 4, hidden_size=6, **options)


@pytest.mark.parametrize("output", ["last", "mean", "every"])
@torch.no_grad()
def test_it_is_a_recurrent_network_over_vectors_of_tokens(output):
    network = made(cell="gru", bidirectional=True, output=output)
    plain = Recurrent((5, 4), 3, cell="gru", hidden_size=6, bidirectional=True, output=output)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("embedding")}
    plain.load_state_dict(state)
    ids = torch.randint(2, 11, (2, 5))
    assert torch.equal(network(ids), plain(network.embedding.weight[ids]))
    lengths = torch.tensor([5, 2])
    found = network((ids, lengths))
    ids[1, 2:] = 0
    assert torch.equal(found, network((ids, lengths)))


def test_padding_is_not_trained_and_the_embedding_is_the_first_stage():
    network = made()
    network((torch.tensor([[2, 3, 0], [4, 0, 0]]), torch.tensor([2, 1]))).sum().backward()
    gradient = network.embedding.weight.grad
    assert not network.embedding.weight[0].any()
    assert gradient.any(-1).nonzero().flatten().tolist() == [2, 3, 4]
    assert [stage.modules[0] for stage in stages(network)] == [network.embedding, network.recurrent]
