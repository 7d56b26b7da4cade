"""The base class of this project's networks."""

from typing import Any, ClassVar, Self

from torch import nn

from models.init_args import RecordsInitArgs


class Network(RecordsInitArgs, nn.Module):
    """A network that takes `input_shape` and `num_classes`, and whose last layer is called `head`.

    A task can train any `nn.Module`. A `Network` can also be named by its class alone on the command line, and rebuilt
    from a checkpoint.

    Attributes:
        normalizes_inputs: Whether the network normalises inputs in [0, 1] itself. A task passes them on unnormalised
            then; otherwise it normalises them by the statistics of the data.
        may_change_on_resume: Arguments that a resumed run may change, such as the file of the initial weights.
    """

    normalizes_inputs: bool = False
    may_change_on_resume: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the network and note its arguments.

        Raises:
            ValueError: `input_shape` is a number.
        """
        made = super().__new__(cls, *args, **kwargs)
        shape = vars(made).get("init_args", {}).get("input_shape")
        if isinstance(shape, int):
            raise ValueError(
                f"{cls.__name__}: input_shape {shape} is a number; give the shape of one sample, ({shape},)"
            )
        return made
