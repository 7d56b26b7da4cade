"""The jobs of `holdout`, one row each. Imports nothing but the standard library, so that help answers at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A job that `holdout NAME` runs.

    Attributes:
        name: Its name on the command line.
        help: One line for `holdout --help`.
        usage: The command line it takes.
        run: "module:function", imported only when the job runs and called with this row and the words after the name.
        checkpoint_help: Help of `--ckpt_path`, "" if the job takes none.
    """

    name: str
    help: str
    usage: str
    run: str
    checkpoint_help: str = ""


TRAINING = "scripts.cli.training:run"
MEASURED = 'checkpoint to measure; with -c, "best" or "last" of that recipe\'s newest run'
JOBS = {
    job.name: job
    for job in (
        Job(
            "fit",
            "train a recipe: splits the data, stops early, keeps best.ckpt and last.ckpt, reports",
            "holdout fit -c RECIPE [-c OVERLAY ...] [--ckpt_path last] [--key value ...]",
            TRAINING,
            'checkpoint to resume; "last" is that of this recipe\'s newest run',
        ),
        Job(
            "validate",
            "measure a checkpoint on its validation part",
            "holdout validate --ckpt_path FILE [--key value ...]",
            TRAINING,
            MEASURED,
        ),
        Job(
            "test",
            "measure a checkpoint on its test part",
            "holdout test --ckpt_path FILE [--key value ...]",
            TRAINING,
            MEASURED,
        ),
        Job(
            "predict",
            "write a checkpoint's predictions for its test part to a CSV file",
            "holdout predict --ckpt_path FILE [--output FILE] [--key value ...]",
            TRAINING,
            'checkpoint that predicts; with -c, "best" or "last" of that recipe\'s newest run',
        ),
    )
}
