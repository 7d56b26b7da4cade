"""A recurrent network over token ids, such as those of words."""

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_at_least
from models.networks.recurrent import Recurrent
from models.networks.scanned_recurrent import ScannedRecurrent


class TokenRecurrent(Recurrent):
    """An embedding of token ids, then `Recurrent`.

    The id 0 is padding: its vector is zero and is not trained.

    Args:
        input_shape: (T,) of one sequence. Sequences may be longer or shorter than T.
        num_classes: Number of logits, or of outputs in regression.
        num_tokens: Number of token ids; filled in from the data.
        embedding_dim: Length of the vector of a token.
        kwargs: Arguments of `Recurrent`.

    Raises:
        ValueError: The data holds no token ids, or an argument is out of range.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, num_tokens: int, embedding_dim: int = 64, **kwargs: Any
    ) -> None:
        if num_tokens < 1 or len(input_shape) != 1:
            raise ValueError(
                f"TokenRecurrent: the data holds no token ids (input_shape {tuple(input_shape)}, num_tokens "
                f"{num_tokens}): use Recurrent"
            )
        check_at_least("TokenRecurrent", 1, embedding_dim=embedding_dim)
        super().__init__((*input_shape, embedding_dim), num_classes, **kwargs)
        recurrent, head = self.recurrent, self.head
        del self.recurrent, self.head  # the stages of a network are its modules in their order
        self.embedding = nn.Embedding(num_tokens, embedding_dim, padding_idx=0)
        self.recurrent, self.head = recurrent, head

    @override
    def of_any_length(self) -> nn.Module:
        return ScannedRecurrent(self.recurrent, self.head, self.output, self.embedding)

    @override
    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Map token ids to logits (N, num_classes), or (N, T, num_classes) where `output` is "every".

        Args:
            inputs: Ids (N, T), int64, without padding; or (ids, lengths (N,)), where ids beyond a sequence's length
                have no influence.
        """
        if isinstance(inputs, Tensor):
            return super().forward(self.embedding(inputs))
        ids, lengths = inputs
        return super().forward((self.embedding(ids), lengths))
