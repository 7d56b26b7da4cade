"""Options whose purpose is to print: a profiler's report, a table of layers, the settings, a callback's notices."""

import pytest
import torch
import yaml


@pytest.fixture(scope="module")
def run(desk):
    """A trained network's folder, and how a command prints."""
    return desk.fit("run", epochs=1)


def fitted(desk, flags: str) -> str:
    return desk.here("fit", *desk.digits(1), *flags.split()).stdout


@pytest.mark.parametrize(
    ("profiler", "said"),
    [
        ("simple", "run_training_batch"),
        ("advanced", "Ordered by: cumulative time"),
        ("SimpleProfiler", "Mean duration"),
    ],
)
def test_a_profiler_prints_its_report_below_the_summary(desk, profiler: str, said: str) -> None:
    told = fitted(desk, f"--trainer.profiler {profiler}")
    assert said in told[told.index("best epoch 1") :]
    assert "\\t" not in told


def test_a_profiler_with_a_file_writes_it_there(desk) -> None:
    where = "--trainer.profiler.dirpath profiles --trainer.profiler.filename mine"
    told = fitted(desk, f"--trainer.profiler SimpleProfiler {where}")
    assert "Profiler Report" not in told
    assert "run_training_batch" in (desk.folder / "profiles" / "fit-mine.txt").read_text()


@pytest.mark.slow
def test_pytorchs_profiler_watches_a_training(desk) -> None:
    assert "Optimizer.step#AdamW.step" in fitted(desk, "--trainer.profiler pytorch")


def test_an_evaluation_is_profiled_too(desk, run) -> None:
    assert "TEST Profiler Report" in desk.here("test", "--ckpt_path", str(run), "--trainer.profiler", "simple").stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--trainer.enable_model_summary true", ["regularizers", "Trainable params"]),
        ("--trainer.callbacks+ ModelSummary --trainer.callbacks.max_depth 2", ["network.head", "Trainable params"]),
        (
            "--trainer.callbacks+ ModelCheckpoint --trainer.callbacks.monitor val/loss "
            "--trainer.callbacks.verbose true",
            ["Epoch 0, global step 21: 'val/loss' reached"],
        ),
    ],
)
def test_what_a_callback_is_asked_to_say_is_printed(desk, flags: str, said: list[str]) -> None:
    told = fitted(desk, flags)
    assert all(text in told for text in said), told


def test_without_being_asked_lightning_says_nothing(desk) -> None:
    done = desk.here("fit", *desk.digits(1))
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines() if line][-3:] == ["checkpoint", "figures", "test"]
    assert not {"GPU", "TPU", "`Trainer.fit`"} & set(done.stdout.split())


@pytest.mark.parametrize("job", ["fit", "validate", "test", "predict"])
def test_the_settings_of_a_checkpoint_are_printed(desk, run, job: str) -> None:
    shown = desk.here(job, "--ckpt_path", str(run), "--data.eval_batch_size", "9", "--print_config").stdout
    printed = yaml.safe_load(shown)
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert printed["model"] == kept["model"]
    assert printed["data"] == kept["data"] | {"init_args": kept["data"]["init_args"] | {"eval_batch_size": 9}}


def test_printed_settings_of_data_of_ones_own_are_a_recipe_that_trains_the_same(desk) -> None:
    rows = "".join(f"{k * 37 % 11},{k % 5},{k * 7 % 13 + 0.5}\n" for k in range(60))
    (desk.folder / "rows.csv").write_text("width,height,price\n" + rows)
    given = ["--data.path", "rows.csv", "--data.target", "price", "--trainer.max_epochs", "1"]
    printed = desk.here("fit", *given, "--print_config").stdout
    assert not (desk.folder / "runs" / "rows").exists()
    (desk.folder / "printed.yaml").write_text(printed)
    desk.here("fit", *given)
    desk.here("fit", "-c", "printed.yaml", "--name", "printed")
    weights = [
        torch.load(desk.folder / "runs" / name / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("rows", "printed")
    ]
    assert weights[0]["hyper_parameters"]["_class_path"] == "models.Regressor"
    first, second = (kept["state_dict"] for kept in weights)
    assert all(torch.equal(first[key], second[key]) for key in first)
