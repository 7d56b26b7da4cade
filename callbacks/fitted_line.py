"""The curve that a regression of one feature has fitted, over its samples."""

from typing import Any, ClassVar

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.figures import PART_COLORS, PART_LABELS, new_figure, plain_axes, save_figure

POINTS = 200


class FittedLine(L.Callback):
    """Draws `figures/fit.png` when training ends: samples of the three parts, and the network's curve through them.

    Needs one feature that is a number, one continuous target and a datamodule of this project. Samples without a value
    of the feature are not drawn; the axis says how many there are.
    """

    changes_training: ClassVar[bool] = False

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not _has_one_number(data) or data.class_names or data.num_outputs != 1:
            raise MisconfigurationException(
                f"FittedLine: {type(data).__name__} does not have one feature and one continuous target"
            )

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        inputs, targets = data.samples.inputs[:, 0], data.samples.targets[:, 0]
        known = ~inputs.isnan()
        least, most = inputs[known].aminmax()
        grid = torch.linspace(least.item(), most.item(), POINTS, dtype=inputs.dtype).view(-1, 1)
        training = pl_module.training
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            curve = pl_module.eval()(grid.to(pl_module.device)).float().cpu()[:, 0]
        pl_module.train(training)
        figure = new_figure(5.2, 3.8, "fitted line")
        axes = plain_axes(figure.add_subplot())
        slope, intercept = _line(grid[:, 0], curve)
        axes.plot(grid[:, 0], curve, color="#444444", linewidth=1, label=f"{slope:.4g} · x {intercept:+.4g}")
        for part, indices in data.split.parts().items():
            shown = torch.from_numpy(indices)
            shown = shown[known[shown]]
            axes.plot(inputs[shown], targets[shown], "o", color=PART_COLORS[part], label=PART_LABELS[part])
        gaps = int((~known).sum())
        axes.set_xlabel(f"feature ({gaps:,} samples without a value are not drawn)" if gaps else "feature")
        axes.set_ylabel("target")
        axes.legend(frameon=False, fontsize=8)
        save_figure(trainer, figure, "fit")


def _has_one_number(data: Any) -> bool:
    """Return whether samples are one number each, of a table one column of numbers, which may have gaps."""
    columns = data.preprocessing["columns"]
    if columns is None:
        return tuple(data.input_shape) == (1,)
    return len(columns) == 1 and not columns[0][0]


def _line(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return slope and intercept of the straight line from the start of a curve to its end."""
    slope = ((y[-1] - y[0]) / (x[-1] - x[0])).item()
    return slope, (y[0] - slope * x[0]).item()
