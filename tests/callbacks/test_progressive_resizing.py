"""Images that grow during training."""

from functools import partial

import lightning as L
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks import ProgressiveResizing
from datamodules import BreastCancer, Digits
from models import Classifier
from models.networks import MLP, Pretrained, ResNet, SpeedrunCNN


class Sizes(L.Callback):
    """Notes the height of the images that the network gets."""

    def __init__(self):
        self.train, self.val = [], set()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.train.append(batch[0].shape[-1])

    def on_validation_batch_start(self, trainer, pl_module, batch, *_):
        self.val.add(batch[0].shape[-1])


def train(quiet_trainer, data, epochs, *callbacks, ckpt_path=None, **options):
    L.seed_everything(1, verbose=False)
    task = Classifier(SpeedrunCNN((1, 8, 8), 10, [4]), 10)
    trainer = quiet_trainer(max_epochs=epochs, callbacks=[*callbacks], **options)
    trainer.fit(task, data, ckpt_path=ckpt_path)
    return trainer


def test_training_images_grow_and_all_others_are_whole(quiet_trainer):
    data, sizes = Digits(batch_size=1294), Sizes()
    train(quiet_trainer, data, 5, ProgressiveResizing(0.5, size_increment=2), sizes)
    assert sizes.train == [4, 4, 6, 8, 8]
    assert sizes.val == {8}
    assert data.training_scale == 1


class SaveWithin(L.Callback):
    """Writes a checkpoint after the sixth step."""

    def __init__(self, path):
        self.path = path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 6:
            trainer.save_checkpoint(self.path)


def test_a_run_resumed_within_an_epoch_goes_on_with_the_size_of_that_epoch(quiet_trainer, tmp_path):
    whole, resumed, path = Sizes(), Sizes(), tmp_path / "within.ckpt"
    grow = ProgressiveResizing(0.5, 0.5, 1)
    train(quiet_trainer, Digits(batch_size=400), 4, grow, whole, SaveWithin(path))
    train(quiet_trainer, Digits(batch_size=400), 4, grow, resumed, ckpt_path=path)
    assert whole.train == [4] * 4 + [6] * 4 + [8] * 8
    assert resumed.train == whole.train[6:]
    with pytest.warns(UserWarning, match="grew over a run of 4 epochs and grow now over 8"):
        train(quiet_trainer, Digits(batch_size=400), 8, ProgressiveResizing(0.5, 0.5, 1), ckpt_path=path)


def test_an_interrupted_run_leaves_the_data_as_they_were(quiet_trainer):
    class Fault(L.Callback):
        def on_train_batch_end(self, *_):
            raise ConnectionAbortedError

    data = Digits(batch_size=400)
    with pytest.raises(ConnectionAbortedError):
        train(quiet_trainer, data, 4, ProgressiveResizing(), Fault())
    assert data.training_scale == 1


def test_a_pretrained_network_is_refused(quiet_trainer):
    network = Pretrained((1, 8, 8), 10, partial(ResNet, depth=20), None)
    with pytest.raises(MisconfigurationException, match="Pretrained"):
        quiet_trainer(max_epochs=1, callbacks=[ProgressiveResizing()]).fit(Classifier(network, 10), Digits())


@given(st.integers(1, 300), st.integers(8, 256), st.floats(0.01, 1), st.floats(0, 0.99), st.integers(1, 32))
def test_sizes_never_shrink_are_multiples_and_end_at_the_full_one(epochs, side, initial, finetune, increment):
    callback = ProgressiveResizing(initial, finetune, increment)
    sizes = [callback.scale(epoch, epochs, side) * side for epoch in range(epochs)]
    assert sizes == sorted(sizes)
    assert all(size == side or size == pytest.approx(round(size / increment) * increment) for size in sizes)
    assert sizes[0] >= 1 - 1e-9
    full = sum(size == side for size in sizes)
    assert full >= round(finetune * epochs) - 1
    assert callback.scale(epochs, epochs, side) == 1


@pytest.mark.parametrize("wrong", [{"initial_scale": 0.0}, {"finetune_fraction": 1.0}, {"size_increment": 0}])
def test_an_argument_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProgressiveResizing(**wrong)


def test_tables_and_runs_without_an_end_are_refused(quiet_trainer):
    table = BreastCancer()
    table.setup()
    task = Classifier(MLP(table.input_shape, 2), 2)
    with pytest.raises(MisconfigurationException, match="BreastCancer has no images"):
        quiet_trainer(max_epochs=1, callbacks=[ProgressiveResizing()]).fit(task, table)
    with pytest.raises(MisconfigurationException, match="max_epochs"):
        train(quiet_trainer, Digits(), -1, ProgressiveResizing(), max_steps=3)


def test_a_compiled_network_is_said_to_be_compiled_for_each_size(quiet_trainer):
    network = SpeedrunCNN((1, 8, 8), 10, [4])
    network.compile(backend="eager")
    task = Classifier(network, 10)
    grow = ProgressiveResizing(0.5, size_increment=2)
    trainer = quiet_trainer(max_epochs=5, callbacks=[grow], limit_train_batches=1)
    with pytest.warns(UserWarning, match="compiles the network anew for images of another size, .* gives it 3"):
        trainer.fit(task, Digits())
