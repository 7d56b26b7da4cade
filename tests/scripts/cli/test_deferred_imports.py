"""What libraries need for parts that a run does not use is imported when it is used, and is what it would have been."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOT_NEEDED = "('torch._dynamo', 'scipy.signal', 'scipy.stats', 'pandas', 'pyarrow')"
TRAINING = f"""
import sys
import scripts.cli.training
from datamodules import Digits
from lightning import Callback, Trainer
from models import Classifier
from models.networks import MLP

data = Digits()
data.setup()
trainer = Trainer(max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False)
trainer.fit(Classifier(MLP((1, 8, 8), 10), num_classes=10), datamodule=data)
there = [name for name in {NOT_NEEDED} if name in sys.modules]
assert not there, there
"""
USING = """
import numpy, pandas, scipy.signal, scipy.stats, sklearn.utils.validation, sys, torch, torchvision.ops
from lightning.fabric import wrappers
from lightning.pytorch.utilities import compile as compiling

assert sys.modules['torchvision.ops.roi_align'].is_compile_supported("cpu") in (True, False)
assert isinstance(torch.compile(torch.nn.Linear(2, 2)), wrappers.OptimizedModule)
assert isinstance(torch.compile(torch.nn.Linear(2, 2)), compiling.OptimizedModule)
assert not isinstance(torch.nn.Linear(2, 2), wrappers.OptimizedModule)
assert sklearn.utils.validation.check_array(pandas.DataFrame({"a": [1.0, 2.0]})).tolist() == [[1.0], [2.0]]
assert list(scipy.stats.rankdata([3, 1, 2])) == [3, 1, 2] == list(sklearn.metrics._ranking.rankdata([3, 1, 2]))
assert len(scipy.signal.windows.hamming(5)) == 5
step = torch.compile(lambda x: x + 1, backend="eager")
assert step(torch.ones(1)).item() == 2
"""
STEPS = """
import hashlib, torch

for differentiable in (False, True):
    for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.NAdam):
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 12))
        optimizer = make([weights], lr=0.1, differentiable=differentiable)
        for _ in range(3):
            optimizer.zero_grad()
            (weights.clone() ** 2).sum().backward()
            optimizer.step() if not differentiable else None
        optimizer.load_state_dict(optimizer.state_dict())
        print(make.__name__, hashlib.sha256(weights.detach().numpy().tobytes()).hexdigest())
"""
IMPORTED = (
    "from scripts.cli.deferred_imports import import_without_unused as quickly\nquickly('scripts.cli.training')\n"
)


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": f"{ROOT}:{folder}"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_imports_no_compiler_no_tables_and_no_signals_which_work_when_they_are_used(tmp_path) -> None:
    run(IMPORTED + TRAINING + USING, tmp_path)


def test_optimizers_step_to_the_same_bits(tmp_path) -> None:
    assert run(IMPORTED + STEPS, tmp_path) == run(STEPS, tmp_path)


def test_a_package_whose_first_import_failed_has_its_submodules(tmp_path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library/__init__.py").write_text("import library.part\nimport pandas.api\n")
    (tmp_path / "library/part.py").write_text("")
    code = "from scripts.cli.deferred_imports import import_without_unused as quickly\n"
    run(f"import torch\n{code}quickly('library').part", tmp_path)


@pytest.mark.parametrize(
    "line", ["import torch._dynamo.config", "from torch._dynamo import config", "import pandas.api"]
)
def test_a_library_that_needs_more_gets_it(tmp_path, line) -> None:
    (tmp_path / "library.py").write_text(f"import torch\n{line}\nhere = True\n")
    code = "from scripts.cli.deferred_imports import import_without_unused as quickly\n"
    run(
        f"{code}assert quickly('library').here\nimport torch._dynamo, pandas\ntorch._dynamo.config, pandas.api",
        tmp_path,
    )


def test_another_thread_waits_for_a_library_that_is_being_imported(tmp_path) -> None:
    (tmp_path / "library.py").write_text("import time\ntime.sleep(1)\nhere = True\n")
    run(
        """
from concurrent.futures import ThreadPoolExecutor
from scripts.cli.deferred_imports import import_without_unused

with ThreadPoolExecutor(2) as pool:
    assert all(module.here for module in pool.map(import_without_unused, ["library"] * 2))
""",
        tmp_path,
    )


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("library", ["library", "missing"])
def test_the_search_for_garbage_is_left_on_or_off(tmp_path, before, library) -> None:
    (tmp_path / "library.py").write_text("")
    run(
        f"""
import gc
from contextlib import suppress
from scripts.cli.deferred_imports import import_without_unused

gc.enable() if {before} else gc.disable()
with suppress(ImportError):
    import_without_unused("{library}")
assert gc.isenabled() is {before}
""",
        tmp_path,
    )
