"""Every mistake on the command line, made for real: one line, exit status 2, and a way out."""

import shlex
from pathlib import Path

import pytest

from scripts.cli.flags import did_you_mean

RECIPE = "fit -c configs/digits.yaml "
REGULARIZERS = RECIPE + "--model.regularizers"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fti -c configs/digits.yaml", ["'fti'", "did you mean fit?"]),
        ("bake", ["'bake'", "fit", "validate", "test", "predict"]),
        ("", ["fit", "validate", "test", "predict"]),
        (RECIPE + "--trainer.max_epoch 3", ["--trainer.max_epoch;", "did you mean --trainer.max_epochs?"]),
        (RECIPE + "--trainer.max_epoch=3", ["--trainer.max_epoch;", "did you mean --trainer.max_epochs?"]),
        (RECIPE + "--data.batchsize 3", ["data", "'batchsize'", "did you mean batch_size?"]),
        (RECIPE + "--model.network.drop 0.1", ["model.network", "MLP", "'drop'", "did you mean dropout?"]),
        (RECIPE + "--model.optimizer.lrr 0.1", ["model.optimizer", "AdamW", "'lrr'", "did you mean lr?"]),
        (RECIPE + "--early_stopping.patient 3", ["early_stopping", "patient", "did you mean", "patience?"]),
        (RECIPE + "--lr 0.1", ["--lr;", "did you mean --model.optimizer.lr?"]),
        (RECIPE + "--epochs 3", ["--epochs;", "did you mean --trainer.max_epochs?"]),
        (RECIPE + "--batch_size 3", ["--batch_size;", "did you mean --data.batch_size?"]),
    ],
)
def test_a_mistyped_word_or_flag(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (RECIPE + "--model.network MLPP", ["model.network", "'MLPP'", "did you mean MLP?"]),
        (RECIPE + "--model.network models.networks.MPL", ["models.networks.MPL", "did you mean MLP?"]),
        (RECIPE + "--model.network models.netwroks.MLP", ["models.netwroks", "did you mean"]),
        (RECIPE + "--model.optimizer SDG", ["model.optimizer", "'SDG'", "did you mean SGD?"]),
        (RECIPE + "--model.optimizer torch.optim.SDG", ["torch.optim.SDG", "did you mean SGD?"]),
        (RECIPE + "--model.lr_scheduler StepRL", ["model.lr_scheduler", "StepRL", "did you mean StepLR?"]),
        (RECIPE + "--model.loss torch.nn.CrossEntropyLos", ["model.loss", "did you mean CrossEntropyLoss?"]),
        (RECIPE + "--model models.Clasifier", ["models.Clasifier", "did you mean Classifier?"]),
        (RECIPE + "--data Digit", ["data", "'Digit'", "did you mean Digits?"]),
        (REGULARIZERS + " [DisturbLabels]", ["model.regularizers", "'DisturbLabels'", "did you mean DisturbLabel?"]),
        (REGULARIZERS + " LabelSmothing", ["model.regularizers", "LabelSmothing", "did you mean LabelSmoothing?"]),
        (
            REGULARIZERS + "='[{class_path: DisturbLabel, init_args: {alfa: 3}}]'",
            ["model.regularizers", "DisturbLabel", "'alfa'", "did you mean alpha?"],
        ),
        (REGULARIZERS + " [torch.nn.Dropout]", ["model.regularizers", "torch.nn.Dropout", "not a Regularizer"]),
        (RECIPE + "--model.network ''", ["model.network", "no class ''"]),
        (RECIPE + "--model.network torch.optim.SGD", ["model.network", "torch.optim.SGD", "not a Module"]),
    ],
)
def test_a_mistyped_or_unfitting_class(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("flag", "value", "paths"),
    [
        ("model.lr_scheduler", "ReduceLROnPlateau", ["torch.optim.lr_scheduler.", "lightning.pytorch.cli."]),
        ("trainer.callbacks", "[EarlyStopping]", ["lightning.pytorch.callbacks.", "callbacks."]),
        ("trainer.callbacks", "[{class_path: EarlyStopping}]", ["lightning.pytorch.callbacks.", "callbacks."]),
    ],
)
def test_a_short_name_of_several_classes(complaint, flag, value, paths) -> None:
    message = complaint(*RECIPE.split(), f"--{flag}={value}")
    name = value.strip("[{}]").removeprefix("class_path: ")
    whole = " or ".join(path + name for path in paths)
    assert message == f"{flag}: several classes are called {name}; give its full path: {whole}"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (RECIPE + "--trainer.max_epochs three", ["trainer.max_epochs", "'three'", "whole number"]),
        (RECIPE + "--data.batch_size 6.5", ["data.batch_size", "6.5", "whole number"]),
        (RECIPE + "--model.network.dropout much", ["model.network.dropout", "'much'", "number"]),
        (RECIPE + "--model.network.widths wide", ["model.network.widths", "wide"]),
        (RECIPE + "--trainer.detect_anomaly maybe", ["trainer.detect_anomaly", "'maybe'", "true or false"]),
        (RECIPE + "--model.network.norm bach", ["model.network.norm", "'bach'", "none, batch, group, layer"]),
        (RECIPE + "--data.split.duplicates dropp", ["data.split.duplicates", "'dropp'", "warn, raise, drop"]),
        (RECIPE + "--early_stopping.mode mix", ["early_stopping.mode", "mix", "min, max"]),
        (RECIPE + "--trainer.precision bf17", ["trainer.precision", "bf17"]),
        (RECIPE + "--early_stopping false", ["early_stopping", "null switches it off"]),
        (RECIPE + "--seed_everything x", ["seed_everything", "'x'", "whole number"]),
        (RECIPE + "--model.optimizer.lr fast", ["model.optimizer.lr: 'fast'", "number"]),
        (RECIPE + "--model.lr_scheduler.final_factor low", ["model.lr_scheduler.final_factor: 'low'", "number"]),
        (RECIPE + "--model.optimizer.betas 3", ["model.optimizer.betas: '3'", "list"]),
        (RECIPE + "--model.network.widths 8", ["model.network.widths: '8'", "list of whole numbers", "[8,9]"]),
        (REGULARIZERS + " 3", ["model.regularizers: '3'", "a list of Regularizer"]),
        (RECIPE + "--trainer.precision 8", ["trainer.precision: '8'", "16-mixed", "bf16-mixed"]),
    ],
)
def test_a_value_of_the_wrong_kind(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message
    assert "<class" not in message
    assert "typing." not in message


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (RECIPE + "--model.network.dropout 1.5", ["dropout 1.5", "[0, 1)"]),
        (RECIPE + "--model.network.widths [8,0]", ["widths [8, 0]"]),
        (RECIPE + "--model.optimizer.lr -1", ["learning rate", "-1"]),
        (REGULARIZERS + "='[{class_path: DisturbLabel, init_args: {alpha: 300}}]'", ["alpha 300", "[0, 100]"]),
        (RECIPE + "--data.batch_size 0", ["batch_size 0"]),
        (RECIPE + "--data.split.val_fraction 1.5", ["split.val_fraction: 1.5", "between 0 and 1", "split.val_size"]),
        (RECIPE + "--data.split.folds 3 --data.split.fold 5", ["split.fold: 5", "between 0 and 2"]),
        (RECIPE + "--early_stopping.patience 0", ["EarlyStopping: patience 0 is less than 1"]),
        (RECIPE + "--early_stopping.monitor val/acuracy", ["early_stopping.monitor", "'val/acuracy'", "val/accuracy"]),
        (RECIPE + "--checkpoint.monitor val/acuracy", ["checkpoint.monitor", "'val/acuracy'", "val/accuracy"]),
        (RECIPE + "--trainer.accelerator abacus", ["accelerator", "abacus"]),
        (RECIPE + "--trainer.max_epochs -5", ["max_epochs", "-5"]),
        (RECIPE + "--model.lr_scheduler null --trainer.limit_train_batches 0", ["train", "batch"]),
        (RECIPE + "--trainer.limit_val_batches 0", ["val"]),
    ],
)
def test_a_value_out_of_range(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message
    assert not list(Path().glob("runs/*")), "a run that never began leaves no folder"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fit", ["needs a recipe", "-c", "holdout list recipes", "configs/"]),
        ("fit -c configs/digit.yaml", ["no file configs/digit.yaml", "did you mean configs/digits.yaml?"]),
        (
            RECIPE + "-c configs/trainer/cup.yaml",
            ["configs/trainer/cup.yaml", "did you mean configs/trainer/cpu.yaml?"],
        ),
        ("fit -c recipes/digits.yaml", ["no file recipes/digits.yaml", "no folder recipes"]),
        ("fit -c configs/regularizers/disturb_label.yaml", ["model"]),
        ("fit --model models.Classifier --data datamodules.Digits", ["model", "Classifier needs network"]),
        (RECIPE + "--model.lr_scheduler StepLR", ["model.lr_scheduler", "needs step_size"]),
        (RECIPE + "--ckpt_path nowhere.ckpt", ["nowhere.ckpt", "no such file"]),
        (RECIPE + "--ckpt_path last", ["last", "runs/digits"]),
        (RECIPE + "--ckpt_path configs/digits.yaml", ["configs/digits.yaml", "not a checkpoint"]),
        ("fit --ckpt_path last", ["last", "-c"]),
        ("test", ["test needs a checkpoint", "--ckpt_path"]),
        ("predict -c configs/digits.yaml", ["predict needs a checkpoint", "--ckpt_path"]),
        ("test --ckpt_path configs/digits.yaml", ["configs/digits.yaml", "not a checkpoint"]),
    ],
)
def test_a_file_or_an_argument_that_is_missing(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message


MODEL = "model: {class_path: models.Classifier, init_args: {network: {class_path: models.networks.MLP}}}\n"
DATA = "data: {class_path: datamodules.Digits}\n"


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (MODEL.replace("model:", "modle:") + DATA, ["'modle'", "did you mean model?"]),
        (MODEL + DATA + "trainer: {max_epoch: 3}", ["'trainer.max_epoch'", "did you mean trainer.max_epochs?"]),
        (MODEL + DATA + "early_stopping: {patiance: 3}", ["early_stopping", "patiance", "did you mean", "patience?"]),
        (MODEL.replace("network:", "netwrok:") + DATA, ["netwrok", "did you mean network?"]),
        (MODEL.replace("networks.MLP", "networks.MPL") + DATA, ["models.networks.MPL", "did you mean MLP?"]),
        (MODEL + DATA.replace("}", ", init_args: {batch_sise: 3}}"), ["'batch_sise'", "did you mean batch_size?"]),
        (MODEL + DATA + "trainer: {max_epochs: many}", ["trainer.max_epochs", "'many'", "whole number"]),
        (MODEL.replace("}}}", "}}") + DATA, ["not YAML"]),
        (MODEL, ["data"]),
        (DATA, ["model"]),
        ("", ["recipe.yaml"]),
        ("[1, 2]", ["[1, 2]"]),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) and value else None,
)
def test_a_mistake_in_a_recipe(complaint, recipe, said) -> None:
    Path("recipe.yaml").write_text(recipe)
    message = complaint("fit", "-c", "recipe.yaml")
    assert message.startswith("recipe.yaml") or recipe in (MODEL, DATA)
    assert all(part in message for part in said), message


def test_a_suggestion_is_made_only_for_something_close() -> None:
    assert did_you_mean("dropuot", ["dropout", "norm"]) == "; did you mean dropout?"
    assert did_you_mean("MLP", ["mlp"]) == "; did you mean mlp?"
    assert did_you_mean("widths", ["dropout", "norm"]) == ""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (RECIPE + "--data.label_noise.rate 0.4", ["data.label_noise", "SymmetricNoise", "MatrixNoise"]),
        (RECIPE + "--data.label_noise 0.3", ["data.label_noise", "'0.3' is not a class"]),
        ("fit -c configs/diabetes_mlp.yaml --model.loss torch.nn.CrossEntropyLoss", ["CrossEntropyLoss", "continuous"]),
        (
            "fit -c configs/breast_cancer_mlp.yaml -c configs/augmentation/flip_and_translate.yaml",
            ["HorizontalFlip", "images"],
        ),
        ("fit -c configs/adding_problem_lstm.yaml --model.network.output every", ["outputs", "--model.network.output"]),
        (
            RECIPE + "--data.label_noise SymmetricNoise --data.label_noise.rate 0.1 --data.label_noise.noise_seed -1",
            ["noise_seed -1"],
        ),
    ],
)
def test_options_that_do_not_fit_the_data(complaint, command, said) -> None:
    line = complaint(*shlex.split(command))
    for words in said:
        assert words in line
