"""The curve that a regression of one feature has fitted, over its samples."""

from typing import Any, ClassVar

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.figures import PART_COLORS, PART_LABELS, WIDTH, label, new_figure, plain_axes, save_figure, style
from callbacks.fonts import drawable
from callbacks.lookup import run_folder, run_title
from callbacks.metric_labels import target_labels

CAPTION = "What the network predicts over its only input, with the samples."
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
        if not has_line(data):
            raise MisconfigurationException(
                f"FittedLine: {type(data).__name__} does not have one feature and one continuous target"
            )

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = run_folder(trainer)
        if not trainer.is_global_zero or folder is None:
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
        feature, target = label((data.feature_names() or ["feature"])[0], 40), target_labels(data, 1)[0]
        gaps = int((~known).sum())
        feature += f"\n({gaps:,} samples without a value are not drawn)" if gaps else ""
        title = f"{run_title(folder)}: fitted line"
        with style(title, feature, target):
            figure = new_figure(WIDTH, 4.6, title, CAPTION)
            axes = plain_axes(figure.add_subplot())
            slope, intercept = _line(grid[:, 0], curve)
            sign = "−" if intercept < 0 else "+"
            axes.plot(grid[:, 0], curve, color="#444444", label=f"{slope:.4g} · x {sign} {abs(intercept):.4g}")
            for part, indices in data.split.parts().items():
                shown = torch.from_numpy(indices)
                shown = shown[known[shown]]
                axes.plot(inputs[shown], targets[shown], "o", color=PART_COLORS[part], label=PART_LABELS[part])
            axes.set_xlabel(feature)
            axes.set_ylabel(drawable(target))
            figure.legend(loc="outside lower center", ncols=2, frameon=False)
        save_figure(trainer, figure, "fit")


def has_line(data: Any) -> bool:
    """Return whether samples are one number each, of a table one column of numbers, and have one continuous target."""
    if not hasattr(data, "preprocessing"):  # a stock datamodule
        return False
    columns = data.preprocessing["columns"]
    numbers = tuple(data.input_shape) == (1,) if columns is None else len(columns) == 1 and not columns[0][0]
    return numbers and not data.class_names and data.num_outputs == 1


def _line(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return slope and intercept of the straight line from the start of a curve to its end."""
    slope = ((y[-1] - y[0]) / (x[-1] - x[0])).item()
    return slope, (y[0] - slope * x[0]).item()
