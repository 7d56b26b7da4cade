"""Kill trainings at chosen and random instants, go on, and compare all that they leave with uninterrupted ones.

    python -m scripts.torture --kills 50 --recipe "-c configs/digits.yaml --trainer.max_epochs 4"

The faults are injected here, by wrapping functions in the process that runs the command; the product knows of none.
"""

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from scripts.run_differences import differences

ROOT = Path(__file__).parents[1]
NEVER = "count"
VICTIM = "HOLDOUT_TORTURE"  # the kill, for the processes of a run on several devices
# Instants: the function in whose nth call, before its work or after it, the process dies.
INSTANTS = {
    "in a training step": ("models.task:Task.training_step", "after"),
    "in a validation step": ("models.evaluated:EvaluatedModule.validation_step", "after"),
    "after an optimizer step": ("models.task:Task.optimizer_step", "after"),
    "before a checkpoint": ("torch:save", "before"),
    "after serialising": ("torch:save", "after"),
    "before fsync": ("os:fsync", "before"),
    "before a rename": ("pathlib:Path.replace", "before"),
    "after a rename": ("pathlib:Path.replace", "after"),
    "while logging": ("callbacks.event_log:EventLog.log_metrics", "after"),
    "while plotting": ("matplotlib.figure:Figure.savefig", "before"),
}
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT}
WITHIN = ("in a training step", "in a validation step", "after an optimizer step")  # where TERM and INT make sense


class Kill(NamedTuple):
    """A fault: the signal that a rank's process sends itself in the nth call of an instant's function."""

    instant: str
    number: int
    signal: str = "KILL"
    rank: int = 0

    def __str__(self) -> str:
        return f"{self.signal:<4} rank {self.rank} {self.instant} {self.number}"


class Trial(NamedTuple):
    """What became of a run that was killed: how it ended, and in what it differs from the uninterrupted one."""

    kill: Kill
    status: int
    differences: list[str]


def torture(recipe: Sequence[str], kills: Sequence[Kill], folder: Path, whole: Path) -> list[Trial]:
    """Kill a run of a recipe at each instant, in a folder of its own, go on until it ends, and compare."""
    trials = []
    for number, kill in enumerate(kills):
        desk = new_desk(folder / f"kill_{number}")
        status = run(desk, recipe, kill).returncode
        for _ in range(3):
            done = run(desk, [*recipe, "--ckpt_path", "auto"], None)
            if done.returncode == 0:
                break
        runs = sorted((desk / "runs").glob("*/version_*"))
        found = [done.stdout + done.stderr] if done.returncode else differences(whole, runs[0])
        found += [f"another run: {other}" for other in runs[1:]]
        trials.append(Trial(kill, status, found))
        print(f"{kill}: status {status}, {'equal' if not found else f'{len(found)} differences'}", flush=True)
        for line in found[:10]:
            print(f"    {line}", flush=True)
    return trials


def uninterrupted(recipe: Sequence[str], folder: Path) -> tuple[Path, dict[str, int]]:
    """Run a recipe; return the run's folder and how often each instant's function was called."""
    desk = new_desk(folder / "uninterrupted")
    done = run(desk, recipe, Kill(NEVER, 0))
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    (found,) = (desk / "runs").glob("*/version_*")
    return found, json.loads((desk / "calls.json").read_text(encoding="utf-8"))


def choose_kills(calls: dict[str, int], count: int, seed: int = 0, ranks: int = 1) -> list[Kill]:
    """Return instants: each kind in turn, at a random call; those within a step also as a signal, and to any rank."""
    draw = random.Random(seed)  # noqa: S311  no secret depends on it
    kinds = [instant for instant in INSTANTS if calls.get(instant)]
    draw.shuffle(kinds)
    kills = []
    for number in range(count):
        instant = kinds[number % len(kinds)]
        within = instant in WITHIN
        how = draw.choice(["KILL", "TERM", "INT"]) if within else "KILL"
        kills.append(Kill(instant, draw.randrange(calls[instant]), how, draw.randrange(ranks) if within else 0))
    return kills


def new_desk(folder: Path) -> Path:
    """Make a folder to run the command in, which sees the recipes and the data."""
    folder.mkdir(parents=True)
    for name in ("configs", "data"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def run(desk: Path, recipe: Sequence[str], kill: Kill | None) -> subprocess.CompletedProcess[str]:
    """Run `holdout fit` in a process of its own, which kills itself as told."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    module = "scripts.main"
    if kill is not None:
        module, environment[VICTIM] = "scripts.torture", json.dumps(kill)
    command = [sys.executable, "-m", module, "fit", *recipe]
    return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=False, timeout=600)


def be_victim(kill: Kill) -> None:
    """Run the command in this process, with a fault injected, or count the calls of every instant's function."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as it is under a shell's `&`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    calls, rank = dict.fromkeys(INSTANTS, 0), int(os.environ.get("LOCAL_RANK", "0"))
    its_kill = kill if rank == kill.rank else Kill(NEVER, 0)
    for instant, (target, when) in INSTANTS.items():
        module, _, path = target.partition(":")
        *owners, name = path.split(".")
        owner: Any = import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, _wrapped(getattr(owner, name), instant, when, calls, its_kill))
    try:
        import_module("scripts.main").main()
    finally:
        if kill.instant == NEVER and rank == 0:
            Path("calls.json").write_text(json.dumps(calls), encoding="utf-8")


def _wrapped(
    function: Callable[..., Any], instant: str, when: str, calls: dict[str, int], kill: Kill
) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        number = calls[instant]
        calls[instant] += 1
        now = (instant, number) == (kill.instant, kill.number)
        if now and when == "before":
            os.kill(os.getpid(), SIGNALS[kill.signal])
        result = function(*args, **kwargs)
        if now and when == "after":
            os.kill(os.getpid(), SIGNALS[kill.signal])
        return result

    wrapper.__name__ = function.__name__
    return wrapper


def main() -> None:
    """Torture recipes and print a table."""
    if VICTIM in os.environ:
        be_victim(Kill(*json.loads(os.environ[VICTIM])))
        return
    parser = argparse.ArgumentParser(prog="python -m scripts.torture", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--kills", type=int, default=5, help="kills for each recipe")
    parser.add_argument("--recipe", action="append", help="flags of `holdout fit`, in quotes; several times")
    parser.add_argument("--seed", type=int, default=0, help="seed of the instants")
    parser.add_argument("--ranks", type=int, default=1, help="processes of a recipe on several devices, each killed")
    arguments = parser.parse_args()
    unequal = 0
    for recipe in arguments.recipe or ["-c configs/digits.yaml --trainer.max_epochs 4"]:
        with tempfile.TemporaryDirectory() as folder:
            words = shlex.split(recipe)
            whole, calls = uninterrupted(words, Path(folder))
            print(f"\n{recipe}", flush=True)
            trials = torture(
                words, choose_kills(calls, arguments.kills, arguments.seed, arguments.ranks), Path(folder), whole
            )
        unequal += sum(bool(trial.differences) for trial in trials)
        print(f"{len(trials)} kills, {sum(not trial.differences for trial in trials)} equal", flush=True)
    sys.exit(min(unequal, 1))


if __name__ == "__main__":
    main()
