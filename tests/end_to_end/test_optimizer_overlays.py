"""What acts in the optimizer and in time, from the command line: it stacks, is kept, said, tested and gone on with."""

import json

import pytest
import torch
import yaml

OVERLAYS = [
    part
    for name in ("optimizers/sam", "callbacks/adaptive_clipping", "callbacks/ema")
    for part in ("-c", f"configs/{name}.yaml")
]


@pytest.fixture(scope="module")
def run(desk):
    return desk.fit("flat", *OVERLAYS)


def test_overlays_stack_on_the_recipes_optimizer(run) -> None:
    settings = yaml.safe_load((run / "config.yaml").read_text())
    arguments = settings["model"]["init_args"]
    assert arguments["optimizer"]["class_path"] == "torch.optim.AdamW"
    assert arguments["optimizer_wrapper"]["class_path"] == "models.SAM"
    assert [callback["class_path"] for callback in settings["trainer"]["callbacks"]] == [
        "callbacks.AdaptiveGradientClipping",
        "callbacks.EMA",
    ]


def test_a_test_says_which_weights_it_measured(desk, run) -> None:
    tested = desk.here("test", "--ckpt_path", str(run / "checkpoints" / "best.ckpt"))
    assert tested.stdout.splitlines()[1] == "weights: averaged (EMA, decay 0.999)"
    assert json.loads((run / "test.json").read_text())["weights"] == "averaged (EMA, decay 0.999)"
    plain = desk.fit("plain", epochs=1)
    assert "weights" not in desk.here("test", "--ckpt_path", str(plain / "checkpoints" / "best.ckpt")).stdout


def test_a_run_goes_on_and_not_without_what_it_was_trained_with(desk, run) -> None:
    path = str(run / "checkpoints" / "last.ckpt")
    refused = desk.here("fit", *desk.digits(3), "--name", "flat", "--ckpt_path", path, status=2).stderr
    assert "optimizer_wrapper was SAM, now null" in refused
    assert "trainer.callbacks was [AdaptiveGradientClipping, EMA], now []" in refused
    on = desk.here("fit", *desk.digits(3), *OVERLAYS, "--name", "flat", "--ckpt_path", path).stdout
    assert "resumed after epoch 2" in on
    last = max((desk.folder / "runs" / "flat").iterdir()) / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["averaging"]["count"] == 3 * 21, "steps"
