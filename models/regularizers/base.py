"""What a regularizer is: two hooks on the training step, both of which may be left as they are."""

from torch import Tensor, nn


class Regularizer(nn.Module):
    """Base class of everything that fights overfitting through the batch or the loss.

    A list of regularizers composes: each `perturb` sees what the one before it returned, in the list's order, and the
    penalties add up. They act while training only; validation and test never see them. State that must survive a
    resume belongs in buffers.
    """

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Change the training batch; return new tensors and leave those given as they are.

        Args:
            inputs: The augmented, normalised batch, (N, ...), float.
            targets: Class probabilities (N, C) in classification, values in regression.
        """
        return inputs, targets

    def penalty(self, outputs: Tensor, targets: Tensor, network: nn.Module) -> Tensor | None:
        """Return a scalar that is added to the loss, or None for nothing.

        Args:
            outputs: The network's outputs for the perturbed batch, logits (N, C) in classification.
            targets: The perturbed targets, as `perturb` returned them.
            network: The network, for penalties on its parameters.
        """
        return None
