"""Measures this project against its rivals, in turn, and writes a table and a JSON file.

python -m scripts.benchmark                        every suite, some minutes each
python -m scripts.benchmark --quick                a look
python -m scripts.benchmark --suite mlp_epoch      one suite; --suite may be given again
python -m scripts.benchmark --table FILE           measures nothing: the table of the figures in a file

What counts is the ratio: the median over rounds of ours divided by the rival's in the same round. Seconds alone depend
on the machine. A run is clean if no other process used more than a tenth of a core meanwhile; what is not clean says
little. Data (MNIST, CIFAR-10) are taken from `--data_dir`; a suite whose data are missing is left out, and says so.
Figures are written after each contest.
"""

import argparse
import json
import logging
import math
import pkgutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import torch

from callbacks.files import write_text
from datamodules import DataError
from scripts import benchmarks
from scripts.benchmarks.contest import Contest, Outcome, hold, spread
from scripts.benchmarks.machine import describe_machine
from scripts.benchmarks.setup import Setup
from scripts.main import INTERRUPTED


def main() -> None:
    """Measure what the command line asks for."""
    arguments = _parser().parse_args()
    if arguments.table is not None:
        try:
            print(table(json.loads(arguments.table.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _refuse(f"--table {arguments.table} holds no figures of a benchmark ({type(error).__name__})")
        return
    if arguments.rounds < 1:
        _refuse(f"--rounds {arguments.rounds} is less than 1")
    if arguments.accelerator == "gpu" and not torch.cuda.is_available():
        _refuse("--accelerator gpu: there is none here")
    try:
        _measure(arguments)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines()
        _refuse(f"a command that was to be timed failed: {lines[-1] if lines else error}")
    except KeyboardInterrupt:
        print("benchmark: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _measure(arguments: argparse.Namespace) -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}", flush=True)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(arguments.data_dir, Path(folder), arguments.quick, arguments.accelerator)
        for name in arguments.suite or sorted(suites()):
            for outcome in _outcomes(name, setup, arguments.rounds):
                print(*lines_of(outcome), sep="\n", flush=True)
                found.append({"suite": name, **as_plain(outcome)})
                write_text(arguments.output, json.dumps({"machine": machine, "contests": found}, indent=1) + "\n")
    if not found:
        _refuse("nothing was measured")
    print(f"written to {arguments.output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=sorted(suites()), help="a suite; all by default")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a table of the figures in a file, and end")
    parser.add_argument("--quick", action="store_true", help="less work in each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each of all contenders in turn (default: 5)")
    parser.add_argument(
        "--accelerator", choices=["cpu", "gpu"], default="cpu", help="of steps and epochs (default: cpu)"
    )
    parser.add_argument("--data_dir", default="data", help="folder of the datasets (default: data)")
    parser.add_argument("--output", type=Path, default=Path("benchmark.json"), help="default: benchmark.json")
    return parser


def suites() -> list[str]:
    """Return the names of the suites: the modules that say what they measure."""
    modules = (found.name for found in pkgutil.iter_modules(benchmarks.__path__))
    return [name for name in modules if hasattr(import_module(f"{benchmarks.__name__}.{name}"), "contests")]


def _outcomes(name: str, setup: Setup, rounds: int) -> Iterator[Outcome]:
    """Yield what the contests of a suite measured."""
    module = import_module(f"{benchmarks.__name__}.{name}")
    print(f"\n{name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
    try:
        contests: Sequence[Contest] = module.contests(setup)
    except DataError as error:
        print(f"  left out (--data_dir {setup.data_dir}): {error}")
        return
    for contest in contests:
        yield hold(contest, rounds)


def _refuse(reason: str) -> NoReturn:
    print(f"benchmark: error: {reason}", file=sys.stderr)
    sys.exit(2)


def lines_of(outcome: Outcome) -> list[str]:
    """Return the printed lines on a contest."""
    contest = outcome.contest
    lines = [f"  {contest.title} [{contest.unit}]"]
    for name, values in outcome.values.items():
        middle, low, high = spread(values)
        lines.append(f"    {name:<28} {middle:10,.4g}   ({low:,.4g} to {high:,.4g})")
    for found in outcome.judged():
        verdict = _verdict(found.met, outcome.clean)
        lines.append(f"    {found.target}: {found.median:.3g} ({found.least:.3g} to {found.greatest:.3g}), {verdict}")
    if outcome.busiest is not None and not outcome.clean:
        name, share = outcome.busiest
        lines.append(f"    not clean: {name} used {100 * share:.0f} % of a core meanwhile")
    return lines


def _verdict(met: bool, clean: bool | None) -> str:
    return ("met" if met else "missed") + (", not clean" if clean is False else "")


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values; None stands for what was never reached."""
    busiest = outcome.busiest
    return {
        "title": outcome.contest.title,
        "unit": outcome.contest.unit,
        "values": {name: list(map(_finite, values)) for name, values in outcome.values.items()},
        "targets": [{key: _finite(value) for key, value in asdict(found).items()} for found in outcome.judged()],
        "clean": outcome.clean,
        "busiest_other_process": None if busiest is None else {"name": busiest[0], "cores": busiest[1]},
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(written: Mapping[str, Any]) -> str:
    """Return a table in Markdown of what was asked of each contest, and what was found, from a file of results."""
    rows = ["| what | expected | median (of all rounds) | |", "|---|---|---|---|"]
    for contest in written["contests"]:
        for found in contest["targets"]:
            middle, low, high = (
                "never" if found[key] is None else f"{found[key]:.3g}" for key in ("median", "least", "greatest")
            )
            figures = middle if low == high else f"{middle} ({low} to {high})"
            verdict = _verdict(found["met"], contest["clean"])
            rows.append(f"| {contest['title']} | {found['target']} | {figures} | {verdict} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
