"""Recurrent layers written as a scan over the steps, which `torch.export` follows whatever the sequences' length is."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

Step = Callable[
    [Tensor, Tensor, Tensor], tuple[Tensor, Tensor]
]  # inputs' part of the gates, hidden's, cell -> hidden, cell


def lstm_step(of_inputs: Tensor, of_hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return hidden state and cell, (N, H) each, from both parts of the gates, (N, 4 H), and the last cell."""
    gate_in, forget, candidate, gate_out = (of_inputs + of_hidden).chunk(4, -1)
    cell = forget.sigmoid() * cell + gate_in.sigmoid() * candidate.tanh()
    return gate_out.sigmoid() * cell.tanh(), cell


def gru_step(of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden state twice, (N, H), from both parts of the gates, (N, 3 H), and the last hidden state."""
    reset, update, candidate = of_inputs.chunk(3, -1)
    reset_h, update_h, candidate_h = of_hidden.chunk(3, -1)
    kept = (update + update_h).sigmoid()
    new = (candidate + (reset + reset_h).sigmoid() * candidate_h).tanh()
    hidden = (1 - kept) * new + kept * hidden
    return hidden, hidden


def tanh_step(of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden state twice, (N, H)."""
    hidden = (of_inputs + of_hidden).tanh()
    return hidden, hidden


def relu_step(of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden state twice, (N, H)."""
    hidden = (of_inputs + of_hidden).relu()
    return hidden, hidden


STEPS: dict[str, Step] = {"LSTM": lstm_step, "GRU": gru_step, "RNN_TANH": tanh_step, "RNN_RELU": relu_step}


class ScannedRecurrent(nn.Module):
    """`Recurrent` in evaluation mode, on padded sequences; it shares the weights.

    torch's own layers read the number of steps while they are exported, and packed sequences read the lengths. Here a
    layer is one scan, and the backward direction reads each sequence reversed within its own length.

    Args:
        recurrent: The layers, `batch_first`.
        head: Maps features to logits.
        output: As of `Recurrent`.
        embedding: Maps token ids to vectors first.
    """

    def __init__(self, recurrent: nn.RNNBase, head: nn.Module, output: str, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.recurrent, self.head, self.output, self.embedding = recurrent, head, output, embedding
        self.step = STEPS[recurrent.mode]

    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Map sequences to logits (N, C), or (N, T, C); those of padded steps are 0."""
        values, lengths = (inputs, None) if isinstance(inputs, Tensor) else inputs
        states = values.flatten(2) if self.embedding is None else self.embedding(values)
        count, steps = states.shape[:2]
        if lengths is None:
            lengths = torch.full((count,), steps, device=states.device)
        places = torch.arange(steps, device=states.device)
        true = places < lengths.unsqueeze(1)
        backwards = torch.where(true, lengths.unsqueeze(1) - 1 - places, places)
        for layer in range(self.recurrent.num_layers):
            states = self._layer(states, layer, backwards)
        if self.output == "every":
            logits: Tensor = self.head(states)
            return logits * true.unsqueeze(2).to(logits)
        if self.output == "mean":
            summary = (states * true.unsqueeze(2).to(states)).sum(1) / lengths.to(states).unsqueeze(1)
        else:
            summary = _last(states, lengths, self.recurrent.hidden_size)
        summarised: Tensor = self.head(summary)
        return summarised

    def _layer(self, inputs: Tensor, layer: int, backwards: Tensor) -> Tensor:
        forwards = self._direction(inputs, f"l{layer}")
        if not self.recurrent.bidirectional:
            return forwards
        reverse = self._direction(_reordered(inputs, backwards), f"l{layer}_reverse")
        return torch.cat([forwards, _reordered(reverse, backwards)], -1)

    def _direction(self, inputs: Tensor, suffix: str) -> Tensor:
        """Return the hidden states of one direction of a layer, (N, T, H)."""
        named = (f"{kind}_{part}_{suffix}" for part in ("ih", "hh") for kind in ("weight", "bias"))
        weight_ih, bias_ih, weight_hh, bias_hh = (getattr(self.recurrent, name) for name in named)
        gates = F.linear(inputs, weight_ih, bias_ih).transpose(0, 1)
        start = inputs.new_zeros(inputs.shape[0], self.recurrent.hidden_size)

        def step(carried: tuple[Tensor, Tensor], of_inputs: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            hidden, cell = self.step(of_inputs, F.linear(carried[0], weight_hh, bias_hh), carried[1])
            return (hidden, cell.clone()), hidden.clone()  # what a scan returns must not share memory

        _, states = scan(step, (start, start.clone()), gates)
        hidden_states: Tensor = states
        return hidden_states.transpose(0, 1)


def _reordered(states: Tensor, places: Tensor) -> Tensor:
    """Return the steps of each sequence, (N, T, H), in an order of its own, (N, T)."""
    return states.gather(1, places.unsqueeze(2).expand(-1, -1, states.shape[2]))


def _last(states: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return the last states: forwards of each sequence's last step, backwards of its first."""
    ends = (lengths - 1).view(-1, 1, 1).expand(-1, 1, size)
    forwards = states[:, :, :size].gather(1, ends).squeeze(1)
    return torch.cat([forwards, states[:, 0, size:]], -1)
