"""Early stopping stops when it says, in the direction of its metric, and goes on counting across a resume."""

import pytest

from callbacks import EarlyStopping, History, LastCheckpoint


@pytest.mark.parametrize("options", [{"val_check_interval": 4}, {"check_val_every_n_epoch": 2}], ids=str)
def test_epochs_count_for_a_training_metric_however_often_is_validated(fit, options) -> None:
    stopping = EarlyStopping("train/loss", patience=3, min_delta=1e9)
    assert fit(stopping, epochs=9, **options).current_epoch == 4  # the first counts as an improvement on nothing


@pytest.mark.parametrize("patience", [1, 3])
def test_stops_after_so_many_epochs_without_improvement(fit, patience) -> None:
    trainer = fit(History(), EarlyStopping(patience=patience), lr=0.0, epochs=10)
    assert len(History.of(trainer).rows) == 1 + patience


def test_does_not_stop_while_it_improves(fit) -> None:
    trainer = fit(History(), EarlyStopping(patience=1), epochs=4)
    losses = [row["val/loss"] for row in History.of(trainer).rows]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 4


def test_watches_for_the_maximum_of_accuracy(fit) -> None:
    trainer = fit(History(), EarlyStopping("val/accuracy", patience=1), epochs=3, lr=0.01)
    accuracies = [row["val/accuracy"] for row in History.of(trainer).rows]
    assert accuracies[0] < accuracies[1] < accuracies[2]


def test_a_stopped_run_trains_no_further_when_resumed(fit, tmp_path) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    stopped = fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10)
    resumed = fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10, resume=last)
    assert resumed.global_step == stopped.global_step > 0
    assert History.of(resumed).rows == History.of(stopped).rows


@pytest.mark.parametrize(("patience", "epochs"), [(4, 5), (1, 3)])
def test_patience_comes_from_the_arguments_not_the_checkpoint(fit, tmp_path, patience, epochs) -> None:
    fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10)
    last = tmp_path / "checkpoints" / "last.ckpt"
    resumed = fit(History(), EarlyStopping(patience=patience), LastCheckpoint(), lr=0.0, epochs=10, resume=last)
    assert len(History.of(resumed).rows) == epochs


def test_counts_validations_where_not_every_epoch_is_validated(fit) -> None:
    trainer = fit(History(), EarlyStopping(patience=2), lr=0.0, epochs=12, check_val_every_n_epoch=2)
    assert len(History.of(trainer).rows) == 2 + 2 * 2


@pytest.mark.parametrize("patience", [0, -1])
def test_a_patience_that_never_trains_is_refused(patience) -> None:
    with pytest.raises(ValueError, match=f"EarlyStopping: patience {patience} is less than 1"):
        EarlyStopping(patience=patience)


def test_its_smallest_change_counts_in_the_direction_of_the_metric(fit) -> None:
    trainer = fit(EarlyStopping("val/accuracy", patience=2, min_delta=0.5), epochs=9)
    assert len(trainer.callback_metrics) > 0
    assert trainer.current_epoch == 3, "no accuracy exceeds the first by 0.5"


@pytest.mark.parametrize("monitor", ["val/loss", "train/loss"])
def test_an_epoch_that_a_run_stops_in_does_not_count(fit, monitor) -> None:
    whole, part = EarlyStopping(monitor), EarlyStopping(monitor)
    steps = fit(whole, lr=0.0, epochs=3).global_step
    fit(part, lr=0.0, epochs=4, max_steps=steps + 2)
    assert part.wait_count == whole.wait_count > 0
