"""A figure is a file in the run's folder, and a picture in each logger that takes some."""

import io
import sys
import types

import matplotlib.pyplot as plt
import numpy as np
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import Curves
from callbacks.figures import WIDTH, as_png, new_figure, plain_axes, save_figure, style


def figure():
    with style("a title"):
        made = new_figure(WIDTH, 3, "a title")
        plain_axes(made.add_subplot()).plot([1, 3, 2])
    return made


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_the_same_figure_is_the_same_file_on_opaque_white() -> None:
    png = as_png(figure())
    assert png == as_png(figure())
    shown = pixels(png)
    assert (shown[..., 3] == 255).all()
    assert (shown[0, 0] == 255).all()


def test_the_users_style_changes_nothing_and_is_left_as_it_is() -> None:
    expected = as_png(figure())
    with plt.style.context("dark_background"):
        plt.rcParams["font.size"] = 3
        assert as_png(figure()) == expected
        assert plt.rcParams["font.size"] == 3


def test_letters_are_high_enough_in_a_thumbnail() -> None:
    made = figure()
    made.canvas.draw()
    sizes = [made._suptitle.get_fontsize(), *(tick.get_fontsize() for tick in made.axes[0].get_xticklabels())]
    assert min(sizes) / 72 * 320 / WIDTH > 8, "pixels in a picture 320 wide, as TensorBoard shows it"


def test_tensorboard_gets_the_picture_that_is_in_the_folder(quiet_trainer, tmp_path) -> None:
    trainer = quiet_trainer(logger=TensorBoardLogger(tmp_path, name="", version=""))
    save_figure(trainer, figure(), "drawn")
    trainer.logger.finalize("success")
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Tags()["images"] == ["figures/drawn"]
    logged = pixels(events.Images("figures/drawn")[0].encoded_image_string)
    assert np.array_equal(logged, pixels((tmp_path / "figures" / "drawn.png").read_bytes()))


class LikeWandb(DummyLogger):
    """A logger with W&B's method for pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = []

    def log_image(self, key, images, step=None):
        self.pictures.append((key, images, step))


def test_each_logger_that_takes_pictures_gets_it_and_others_do_not_mind(fit, tmp_path) -> None:
    wandb = LikeWandb()
    fit(Curves(), epochs=1, logger=[CSVLogger(tmp_path, name="", version=""), wandb, DummyLogger()])
    ((key, (picture,), step),) = wandb.pictures
    assert (key, step) == ("figures/curves", 11)
    assert np.array_equal(np.asarray(picture.convert("RGBA")), pixels((tmp_path / "figures/curves.png").read_bytes()))


def test_mlflow_gets_it_as_a_file_of_its_run(quiet_trainer, tmp_path, monkeypatch) -> None:
    logged = []
    client = types.SimpleNamespace(log_image=lambda run, image, artifact_file: logged.append((run, artifact_file)))
    monkeypatch.setattr(MLFlowLogger, "__init__", lambda self: None)
    monkeypatch.setattr(MLFlowLogger, "experiment", client)
    monkeypatch.setattr(MLFlowLogger, "run_id", "run 1")
    trainer = quiet_trainer(logger=[CSVLogger(tmp_path, name="", version="")])
    trainer.loggers.append(MLFlowLogger())
    save_figure(trainer, figure(), "drawn")
    assert logged == [("run 1", "figures/drawn.png")]


def test_a_logger_that_waits_for_a_training_is_given_none(fit, tmp_path) -> None:
    waiting = LikeWandb()
    waiting.is_waiting = True
    fit(Curves(), epochs=1, logger=[CSVLogger(tmp_path, name="", version=""), waiting])
    assert waiting.pictures == []


def test_no_logger_package_is_imported_for_a_picture(quiet_trainer, monkeypatch) -> None:
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    save_figure(quiet_trainer(), figure(), "drawn")
