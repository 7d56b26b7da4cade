"""Recurrent networks: Elman's (1990), LSTM (Hochreiter & Schmidhuber, 1997), GRU (Cho et al., EMNLP 2014)."""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from typing_extensions import override

from datamodules.checks import check_at_least, check_fraction
from models.networks.network import Network
from models.networks.scanned_recurrent import ScannedRecurrent

Cell = Literal["rnn_tanh", "rnn_relu", "lstm", "gru"]
Output = Literal["last", "mean", "every"]
CELLS: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
}


class Recurrent(Network):
    """Recurrent layers over the steps of a sequence, then the head.

    The hidden-to-hidden matrix of each gate starts orthogonal (Saxe et al., arXiv 1312.6120), other weights as in
    torch; `configs/delayed_echo_gru.yaml` has measurements.

    Args:
        input_shape: (T, F) of one sequence; or (T, ...), where all dimensions after T are the features of one step.
            Sequences may be longer or shorter than T.
        num_classes: Number of logits, or of outputs in regression.
        cell: Kind of the recurrent layers.
        hidden_size: Number of units of a layer, in each direction.
        layers: Number of layers.
        bidirectional: Also read each sequence backwards, with separate layers.
        dropout: Probability that a unit is dropped between two layers, in [0, 1).
        output: Input of the head: the "last" state (in both directions: of the last step forwards and of the first
            step backwards), the "mean" over the steps, or "every" step, which gives logits for each step.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        cell: Cell = "lstm",
        hidden_size: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        output: Output = "last",
    ) -> None:
        super().__init__()
        if len(input_shape) < 2:
            raise ValueError(
                f"Recurrent: input_shape {tuple(input_shape)} is not (T, F), steps and their features (TokenRecurrent "
                "takes token ids)"
            )
        check_at_least("Recurrent", 1, hidden_size=hidden_size, layers=layers)
        check_fraction("Recurrent", below_one=True, dropout=dropout)
        if dropout and layers == 1:
            raise ValueError(f"Recurrent: dropout {dropout} acts between layers, and there is only one")
        kind, options = CELLS[cell]
        self.recurrent = kind(
            input_size=math.prod(input_shape[1:]),
            hidden_size=hidden_size,
            num_layers=layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
            **options,
        )
        for name, parameter in self.recurrent.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.detach().view(-1, hidden_size, hidden_size):
                    nn.init.orthogonal_(gate)
        self.output: Output = output
        self.head = nn.Linear(hidden_size * (1 + bidirectional), num_classes)

    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Map sequences to logits (N, num_classes), or (N, T, num_classes) where `output` is "every".

        Args:
            inputs: Values (N, T, ...) without padding; or (values, lengths (N,)), where values beyond a sequence's
                length have no influence.
        """
        if isinstance(inputs, Tensor):
            hidden, state = self.recurrent(inputs.flatten(2))
            return self._logits(hidden if self.output == "every" else self._summary(hidden, state))
        values, lengths = inputs
        steps = pack_padded_sequence(values.flatten(2), lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, state = self.recurrent(steps)
        if self.output != "every":
            return self._logits(self._summary(packed, state))
        # Without padding the head's sums round the same way however long the padding is.
        logits = PackedSequence(self._logits(packed.data), *packed[1:])
        return pad_packed_sequence(logits, batch_first=True, total_length=values.shape[1])[0]

    @override
    def of_any_length(self) -> nn.Module:
        return ScannedRecurrent(self.recurrent, self.head, self.output)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits

    def _summary(self, hidden: Tensor | PackedSequence, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Return the last state or the mean over the steps, (N, units), without padding."""
        if self.output == "last":
            last = state if isinstance(state, Tensor) else state[0]
            return torch.cat([last[-2], last[-1]], dim=-1) if self.recurrent.bidirectional else last[-1]
        if isinstance(hidden, Tensor):
            return hidden.mean(1)
        states, lengths = pad_packed_sequence(hidden, batch_first=True)
        return states.sum(1) / lengths.to(states).unsqueeze(1)
