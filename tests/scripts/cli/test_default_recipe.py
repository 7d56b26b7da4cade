"""Training without a recipe: the data are read once, and the run is the one that its config.yaml repeats."""

import pandas as pd
import torch

from scripts.cli.training import fit_recipe


def test_data_are_read_once_and_the_runs_config_repeats_it_bit_for_bit(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k * 37 % 11},{'' if k % 9 == 4 else k % 5},{'ab'[k % 2]}\n" for k in range(120))
    (tmp_path / "rows.csv").write_text("width,height,kind\n" + rows)
    read, times = pd.read_csv, []
    monkeypatch.setattr(pd, "read_csv", lambda *args, **kwargs: times.append(1) or read(*args, **kwargs))
    options = ["--trainer.max_epochs", "2", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    first = fit_recipe(["--data.path", "rows.csv", "--data.target", "kind", *options])
    assert len(times) == 1
    again = fit_recipe(["-c", "runs/rows/version_0/config.yaml", *options])
    weights = zip(first.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    assert first.data.manifest == again.data.manifest
