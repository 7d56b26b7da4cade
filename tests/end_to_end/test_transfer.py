"""Transfer from a run made here: `fit` on its checkpoint's weights, and what a user does with the result."""

import pytest
import torch

from models import Classifier

BEGIN = """
model:
  class_path: models.Classifier
  init_args: {network: {class_path: models.networks.ResNet, init_args: {depth: 20}}}
data: {class_path: datamodules.Digits, init_args: {split: {seed: 1}}}
trainer: {max_epochs: 2}
"""
TRANSFER = """
model:
  class_path: models.Classifier
  init_args:
    network:
      class_path: models.networks.Pretrained
      init_args:
        architecture: {class_path: models.networks.ResNet, init_args: {depth: 20}}
        weights: runs/begin/version_0/checkpoints/best.ckpt
        train: head
data: {class_path: datamodules.Digits, init_args: {mean: [0.0], std: [1.0]}}
trainer: {max_epochs: 2, callbacks: [{class_path: callbacks.FeatureCache}]}
"""
RUN = "runs/transfer/version_0"
BEST = f"{RUN}/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def desk(new_desk):
    """A folder with a run that began with another's weights, which have been moved away since."""
    desk = new_desk()
    (desk.folder / "begin.yaml").write_text(BEGIN)
    (desk.folder / "transfer.yaml").write_text(TRANSFER)
    desk.here("fit", "-c", "begin.yaml")
    desk.begun = torch.load(desk.folder / "runs/begin/version_0/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    desk.transferred = desk.here("fit", "-c", "transfer.yaml")
    (desk.folder / "runs/begin").rename(desk.folder / "runs/elsewhere")
    return desk


def test_the_backbone_is_the_other_runs_to_the_bit(desk):
    trained = torch.load(desk.folder / BEST, weights_only=True)["state_dict"]
    backbone = {name: value for name, value in desk.begun.items() if name.startswith("network.") and "head" not in name}
    assert backbone
    for name, value in backbone.items():
        assert torch.equal(trained[name.replace("network.", "network.backbone.", 1)], value), name


def test_the_header_says_what_is_frozen_and_nothing_is_warned_of(desk):
    assert "of them frozen)" in desk.transferred.stdout
    assert "warning" not in desk.transferred.stderr


@pytest.mark.parametrize("job", ["test", "validate", "predict"])
def test_its_checkpoint_needs_the_weights_it_began_with_no_more(desk, job):
    desk.here(job, "--ckpt_path", BEST)


def test_it_goes_on_without_them_too(desk):
    assert (
        "epoch 3/3"
        in desk.here("fit", "-c", "transfer.yaml", "--ckpt_path", "last", "--trainer.max_epochs", "3").stdout
    )


def test_a_notebook_loads_it_without_them(desk):
    model = Classifier.load_from_checkpoint(desk.folder / BEST, weights_only=True)
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_a_new_run_without_them_is_one_line(desk):
    refused = desk.here("fit", "-c", "transfer.yaml", "--name", "again", status=2)
    assert refused.stderr.strip() == (
        "holdout: error: weights: there is no file runs/begin/version_0/checkpoints/best.ckpt"
    )
