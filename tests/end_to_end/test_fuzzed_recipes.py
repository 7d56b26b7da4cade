"""Random recipes train, are killed, resumed and tested; what cannot go together is refused in one line.

For an hour of it: `HOLDOUT_FUZZ=1200 pytest tests/end_to_end/test_fuzzed_recipes.py -n 0 --timeout 0`.
"""

import contextlib
import math
import os
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kills import killed
from recipes import recipes, write_data

from models.task import Task
from scripts.run_differences import differences

LOOKS_AT_PICTURES = True

EXAMPLES = int(os.environ.get("HOLDOUT_FUZZ", "8"))


@pytest.fixture(scope="module")
def desks(new_desk):
    """Two folders with the same data: one for the whole run, one for that which is killed."""
    both = new_desk(), new_desk()
    for desk in both:
        write_data(desk.folder)
    return both


def answer(desk, *words: str):
    """Return what a command answers, whether it accepts its words or refuses them."""
    with contextlib.suppress(AssertionError):
        return desk.here(*words)
    refused = desk.here(*words, status=2)
    said = refused.stderr.strip().splitlines()
    assert 1 <= len(said) <= 3, refused.stderr
    assert said[-1].startswith("holdout: error: "), refused.stderr
    assert "HOLDOUT_DEBUG" not in refused.stderr, f"unforeseen: {refused.stderr}"
    assert not (desk.folder / "runs").exists(), "a refused run leaves nothing"
    return None


@pytest.mark.slow
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None, derandomize=EXAMPLES < 50)
@given(words=recipes(), step=st.integers(1, 6), every=st.integers(1, 3))
def test_any_recipe_trains_goes_on_after_a_kill_and_is_tested(desks, words, step, every) -> None:
    whole, cut = desks
    for desk in desks:
        shutil.rmtree(desk.folder / "runs", ignore_errors=True)
    words = (*words, "--name", "run", "--checkpoint.every_n_train_steps", str(every))
    if answer(whole, "fit", *words) is None:
        return
    if killed(cut, words, Task, "training_step", after=step):
        cut.here("fit", *words, "--ckpt_path", "auto")
    folders = [desk.folder / "runs" / "run" / "version_0" for desk in desks]
    found = differences(*folders)
    assert not found, "\n".join(found)
    tested = cut.here("test", "--ckpt_path", "runs/run/version_0").stdout
    figures = re.findall(r"test/(\w+) +(\S+)", tested)
    assert figures
    assert all(math.isfinite(float(value)) for name, value in figures if name != "auroc"), tested
    cut.here("predict", "--ckpt_path", "runs/run/version_0")
