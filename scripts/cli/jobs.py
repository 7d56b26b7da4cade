"""The table of jobs: what `holdout` can do, where the code of each job lies and which options it takes.

This file imports the standard library only, so that `holdout --help` need not wait for torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of a job, as its help shows it.

    Attributes:
        flag: The flag, "--name".
        value: Placeholder of its value, "" if it takes none.
        help: One line.
        class_path: The class that the option builds, "" for a plain value. Flags below the option set the class's
            arguments (`--trainer.max_epochs`).
        short: A shorter form of the flag.
    """

    flag: str
    value: str
    help: str
    class_path: str = ""
    short: str = ""

    @property
    def name(self) -> str:
        """The option's key in a recipe."""
        return self.flag.removeprefix("--")


@dataclass(frozen=True)
class Job:
    """A job of the command.

    Attributes:
        name: First word of the command line.
        help: One line on the job.
        usage: How to call it.
        run: "module:function"; the module is imported when the job runs, the function called as `run(job, arguments)`
            with the words after the job's name.
        checkpoint_help: Help of `--ckpt_path`, "" if the job takes no checkpoint.
        needs_checkpoint: Whether it runs on a checkpoint, whose recipe it then takes, or else on weights that a recipe
            names (`--model.network.weights`).
        options: Its options. A job without any answers `--help` and refuses unknown flags itself.
        ignored: Options that it accepts, because a recipe may set them, and does not use.
    """

    name: str
    help: str
    usage: str
    run: str
    checkpoint_help: str = ""
    needs_checkpoint: bool = False
    options: tuple[Option, ...] = ()
    ignored: tuple[Option, ...] = ()

    @property
    def checkpoint(self) -> tuple[Option, ...]:
        """The option `--ckpt_path`, if the job takes one."""
        return (Option("--ckpt_path", "FILE", self.checkpoint_help),) if self.checkpoint_help else ()


HELP = Option("--help", "", "show this help and exit", short="-h")
RUN = (
    Option("--config", "FILE", "a recipe, or an overlay that changes it; later ones win", short="-c"),
    Option("--name", "NAME", "name of the run (default: the recipe's)"),
    Option("--runs_dir", "FOLDER", "folder of all runs (default: runs)"),
    Option("--seed_everything", "SEED", "seed of every random number (default: 0); false sets none"),
    Option("--initialization_seed", "SEED", "seed of the initial weights, if they are to have one of their own"),
    Option("--print_config", "", "print all settings as a recipe and exit"),
)
MONITORS = (
    Option("--early_stopping", "SETTINGS", "when to stop early; null switches it off", "callbacks.EarlyStopping"),
    Option("--checkpoint", "SETTINGS", "which epoch is the best; null keeps none", "callbacks.Checkpoint"),
)
CLASSES = (
    Option("--model", "CLASS", "the task", "lightning.LightningModule"),
    Option("--data", "CLASS", "the dataset", "lightning.LightningDataModule"),
    Option("--trainer", "SETTINGS", "Lightning's Trainer", "scripts.cli.trainer.Trainer"),
)
STUDY = (
    Option("--arm", "ARM", 'what to compare, once for each: an overlay, plain, or "NAME=FLAGS"'),
    Option("--vary", "KEY=A,B", "compare at each of these values of a setting"),
    Option("--seeds", "N", "runs of each arm at each level (default: 5)"),
    Option("--folds", "K", "validate on each of K folds, for each seed (default: 1 seed)"),
    Option("--sources", "LIST", "what a seed changes: initialization,order (default), split, label_noise"),
    Option("--apart", "", "vary each source alone too, for its share of the variance"),
    Option("--search", "KEY=SPACE", "search a setting in each arm: log:1e-4:1, uniform:, int:, choice:a,b; ARM:KEY="),
    Option("--trials", "N", "points that a search tries in each arm"),
    Option("--asha", "", "end unpromising trials of a search early"),
    Option("--metric", "NAME", "what to compare (default: test/accuracy and test/loss, or the test's own)"),
    Option("--difference", "D", "the difference worth finding, to say how many seeds it needs"),
    Option("--test_checkpoint", "WHICH", "best (default) or last: which epoch is tested"),
    Option("--study", "FILE", "a file with all of this, such as configs/studies/*.yaml"),
    Option("--name", "NAME", "name of the study (default: the recipe's)"),
    Option("--studies_dir", "FOLDER", "folder of all studies (default: studies)"),
    Option("--resume", "", "go on with a study: finished runs are kept, others go on where they stopped"),
    Option("--parallel", "N", "runs at a time (default: as many as there are cores, or GPUs, for)"),
    Option("--threads", "N", "CPU threads of a run (default: 1)"),
    Option("--gpus_per_run", "F", "GPUs of a run, or a fraction of one (default: 1 if there are any)"),
    Option("--retries", "N", "how often a run that crashes is started again (default: 2)"),
    Option("--address", "ADDRESS", "a Ray cluster to run on; auto finds one (default: this machine alone)"),
)
VIEWS = Option(
    "--test_time_augmentation", "CLASS", "views of each image to average over", "datamodules.augmentation.Views"
)
COMPILE = Option("--compile", "", "compile the network with torch.compile: for GPUs; on a CPU it is slower")
OF_TRAINING = (COMPILE, *MONITORS)
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
            'checkpoint to resume from; "last" is that of this recipe\'s newest run; "auto": that, if there is one',
            options=(*RUN, *OF_TRAINING, *CLASSES),
        ),
        Job(
            "validate",
            "measure a checkpoint on its validation part",
            "holdout validate --ckpt_path FILE [--key value ...]",
            TRAINING,
            MEASURED,
            needs_checkpoint=True,
            options=(*RUN, *CLASSES),
            ignored=OF_TRAINING,
        ),
        Job(
            "test",
            "measure a checkpoint on its test part",
            "holdout test --ckpt_path FILE [--key value ...]",
            TRAINING,
            MEASURED,
            needs_checkpoint=True,
            options=(*RUN, VIEWS, *CLASSES),
            ignored=OF_TRAINING,
        ),
        Job(
            "predict",
            "write a checkpoint's predictions for its test part, or for new inputs, to a file",
            "holdout predict --ckpt_path FILE [--inputs PATH] [--output FILE] [--key value ...]",
            "scripts.cli.new_predictions:run",
            'checkpoint that predicts; with -c, "best" or "last" of that recipe\'s newest run',
            needs_checkpoint=True,
            options=(
                *RUN,
                Option(
                    "--inputs", "PATH", "new inputs: images, a table, texts or sequences; a file or a folder of files"
                ),
                Option(
                    "--output",
                    "FILE",
                    "CSV file (default: in the run's folder); for new inputs .csv or .parquet (default: the screen)",
                ),
                VIEWS,
                *CLASSES,
            ),
            ignored=OF_TRAINING,
        ),
        Job(
            "export",
            "write a checkpoint's model to a file for other programs, and compare the two",
            "holdout export --ckpt_path FILE [--format onnx|torch_export|safetensors] [--output FILE]",
            "scripts.cli.exporting:run",
            'checkpoint to export; with -c, "best" or "last" of that recipe\'s newest run',
            needs_checkpoint=True,
            options=(
                *RUN,
                Option("--format", "FORMAT", "onnx (default), torch_export or safetensors"),
                Option("--output", "FILE", "the file (default: model.onnx, .pt2 or .safetensors in the run's folder)"),
                *CLASSES,
            ),
            ignored=OF_TRAINING,
        ),
        Job(
            "calibrate",
            "fit a temperature and prediction sets on the validation part, and keep them in the checkpoint",
            "holdout calibrate --ckpt_path FILE [--coverage 0.9] [--key value ...]",
            TRAINING,
            'checkpoint to calibrate; with -c, "best" or "last" of that recipe\'s newest run',
            needs_checkpoint=True,
            options=(
                *RUN,
                Option("--coverage", "FRACTION", "how often prediction sets hold the truth (default: 0.9)"),
                VIEWS,
                *CLASSES,
            ),
            ignored=OF_TRAINING,
        ),
        Job(
            "study",
            "compare overlays or settings over seeds: runs, statistics, figures",
            "holdout study -c RECIPE --arm plain --arm OVERLAY [--seeds 5] [--key value ...]",
            "scripts.study.job:run",
            options=(
                Option("--config", "FILE", "the recipe, and overlays that all arms share", short="-c"),
                *STUDY,
                *MONITORS,
                *CLASSES,
            ),
        ),
        Job(
            "compare",
            "compare two runs sample by sample on the test part that they share",
            "holdout compare RUN RUN",
            "scripts.study.comparing:run",
            options=(Option("RUN", "", "a run's folder or checkpoint; two of them"),),
        ),
        Job(
            "verify",
            "train a stretch of a finished run again, and compare bit for bit",
            "holdout verify RUN [--whole]",
            "scripts.cli.verifying:run",
            options=(
                Option("RUN", "", "a run's folder or checkpoint"),
                Option("--whole", "", "train the whole run again instead of one stretch"),
            ),
        ),
        Job(
            "report",
            "write one HTML page on a run or several: curves, figures, metrics, warnings, settings, differences",
            "holdout report RUN [RUN ...] [--output FILE]",
            "scripts.report.job:run",
            options=(
                Option(
                    "RUN",
                    "",
                    "a run's folder or checkpoint; a folder of runs (runs/digits) or a study: all of them",
                ),
                Option(
                    "--output", "FILE", "HTML file (default: report.html in the run's folder; of several, above them)"
                ),
            ),
        ),
        Job(
            "list",
            "list what can be chosen: recipes, networks, datasets, regularizers, ...",
            "holdout list [WHAT]",
            "scripts.cli.listing:run",
        ),
    )
}
