"""The job `compare`: two single runs on the same test samples, sample by sample."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from callbacks.printing import say
from datamodules import DataModule
from models import Classifier, MultiLabelClassifier, Regressor
from models.evaluated import EvaluatedModule
from scripts.cli.errors import UsageError
from scripts.cli.evaluation import ledger_entry, use_lines
from scripts.cli.failures import with_debug_hint
from scripts.cli.jobs import JOBS, Job
from scripts.cli.ledger import part_of
from scripts.cli.predictions import in_dataset_order, prediction_rows
from scripts.cli.runs import names_of_runs, runs_as_words
from scripts.cli.session import Session
from scripts.cli.training import job_process, one_line_errors, prepare
from scripts.report.formats import metric as number_text
from scripts.study.paired_samples import PairedSamples, compare_samples
from scripts.study.statistics import CONFIDENCE, Values

LOSSES = ("loss", "squared error")


def run(job: Job, words: list[str]) -> None:
    """Compare two runs and print what differs.

    Raises:
        UsageError: There are not two runs, or they cannot be compared; the message is one line.
    """
    names = names_of_runs(job, words, 2)
    with one_line_errors(with_debug_hint), job_process():
        with runs_as_words():
            first, second = (prepare(JOBS["test"], ["--ckpt_path", name]) for name in names)
        _compare(first, second)


def _compare(first: Session, second: Session) -> None:
    sessions = (first, second)
    for session in sessions:
        if not isinstance(session.data, DataModule):
            raise UsageError(f"{session.checkpoint}: compare needs data of this project's, not a stock datamodule")
        session.data.ensure_setup()
    if not part_of(first.data.manifest) or part_of(first.data.manifest) != part_of(second.data.manifest):
        raise UsageError(
            f"{first.checkpoint} and {second.checkpoint} have different test parts: compare runs of the same data and "
            f"split.seed"
        )
    each = [sample_values(session.model, *_outputs(session)) for session in sessions]
    names = [name for name in each[0] if name in each[1]]
    if not names:
        raise UsageError(f"{type(first.model).__name__} and {type(second.model).__name__} share no measure")
    used = [ledger_entry(session) for session in sessions][-1]  # before anybody sees the results
    say(*(f"{label}: {session.checkpoint}" for label, session in zip("AB", sessions, strict=True)))
    for name in names:
        say(*result_lines(name, each[0][name], each[1][name]))
    say("  one run each: how much of this is the chance of training, `holdout study` tells over seeds")
    if used is not None:
        say(*use_lines(second, used, {}))


def _outputs(session: Session) -> tuple[Tensor, Tensor]:
    """Return a model's results for the test part, and the targets, (M, ...)."""
    trainer, data = session.trainer, session.data
    with session.fitting_weights():
        batches = trainer.predict(session.model, datamodule=data, ckpt_path=session.checkpoint)
    outputs = in_dataset_order(cast("list[Tensor]", batches), trainer.global_rank, trainer.world_size)
    assert data.split is not None
    targets = data.samples.targets[torch.from_numpy(data.split.test)]
    return outputs, prediction_rows({}, targets, len(outputs))[1]


def sample_values(task: EvaluatedModule, outputs: Tensor, targets: Tensor) -> dict[str, Values]:
    """Return what a model does on each sample, by measure, (M,): right or wrong, and its loss.

    Args:
        task: The task.
        outputs: Its results, as `predict` gives them: probabilities (M, C), or values (M, outputs).
        targets: (M,) or (M, outputs).
    """
    if isinstance(task, Classifier):
        right = (outputs.argmax(-1) == targets).double()
        loss = F.nll_loss(outputs.double().clamp_min(1e-45).log(), targets, reduction="none")
        return {"accuracy": right.numpy(), "loss": loss.numpy()}
    if isinstance(task, MultiLabelClassifier):
        right = (task.thresholds(outputs) == targets.bool()).double().mean(-1)
        loss = F.binary_cross_entropy(outputs.double(), targets.double(), reduction="none").mean(-1)
        return {"accuracy": right.numpy(), "loss": loss.numpy()}
    if isinstance(task, Regressor):
        errors = (outputs.double() - targets.double().reshape(outputs.shape)).square()
        return {"squared error": errors.reshape(len(errors), -1).mean(-1).numpy()}
    return {}


def result_lines(name: str, first: Values, second: Values) -> list[str]:
    """Return the printed lines on one measure of two models."""
    found = compare_samples(first, second)
    values = f"A {number_text(float(first.mean()))}   B {number_text(float(second.mean()))}"
    low, high = (number_text(end, "+") for end in found.interval)
    lines = [
        f"{name}  {values}   B − A {number_text(found.difference, '+')}",
        f"  {100 * CONFIDENCE:.0f} % interval {low} to {high} (paired bootstrap over {found.count:,} samples)",
    ]
    if found.only_first is not None:
        lines.append(f"  A alone is right on {found.only_first:,} samples, B alone on {found.only_second:,}")
    test = "McNemar's exact test" if found.only_first is not None else "sign-flip permutation test of the mean"
    return [*lines, f"  {test}: p = {found.p_value:.3g}: {_verdict(name, found)}"]


def _verdict(name: str, found: PairedSamples) -> str:
    if found.p_value >= 1 - CONFIDENCE:
        return "no difference seen"
    better = (found.difference < 0) == (name in LOSSES)
    return f"{'B' if better else 'A'} is better on these samples"
