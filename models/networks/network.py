"""The base class of this project's networks."""

from typing import Any, ClassVar

from torch import nn

from models.init_args import RecordsInitArgs


class Network(RecordsInitArgs, nn.Module):
    """A network that takes `input_shape` and `num_classes`, and whose last layer is called `head`.

    A task can train any `nn.Module`. A `Network` can also be named by its class alone on the command line, and rebuilt
    from a checkpoint.

    Attributes:
        normalizes_inputs: Whether the network normalises inputs in [0, 1] itself. A task passes them on unnormalised
            then; otherwise it normalises them by the statistics of the data.
        lays_out_channels_last: Whether `forward` lays images out channels last itself.
        adapts_to: Number of training inputs that `adapt` is given; 0 for a network that does not adapt.
        may_change_on_resume: Arguments that a resumed run may change, such as the file of the initial weights.
    """

    normalizes_inputs: bool = False
    lays_out_channels_last: ClassVar[bool] = False
    adapts_to: ClassVar[int] = 0
    may_change_on_resume: ClassVar[tuple[str, ...]] = ()

    def adapt(self, inputs: Any) -> None:
        """Set what depends on the training data, before a run begins.

        Args:
            inputs: Training inputs (`adapts_to`, ...), or all if there are fewer, normalised and not augmented, on the
                device of the data, which need not be the network's yet.
        """

    def of_any_length(self) -> nn.Module | None:
        """Return a module of the same weights and outputs that `torch.export` follows for sequences of any length.

        None if the network takes no sequences, or those of one length alone.
        """
        return None
