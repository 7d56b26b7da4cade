"""`summary.md`: what a study compared, what came of it, and the commands that repeat it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.cli.ledger import accuracy_interval
from scripts.report.formats import duration
from scripts.report.tables import Table
from scripts.study import tables
from scripts.study.analysis import Analysis, Cell, direction, is_rough_gap
from scripts.study.options import Arm, Options
from scripts.study.results import Result
from scripts.study.searching import Choice
from scripts.study.statistics import CONFIDENCE

MOST_FAULTS = 20
MOST_VALUES = 3
WAYS = {"min": "lower is better", "max": "higher is better"}
Part = tuple[str, list[str | Table]]  # a heading, and paragraphs and tables below it


def sections(
    results: Sequence[Result],
    options: Options,
    analysis: Analysis,
    found: Mapping[Choice, Mapping[str, str]],
    models: int,
    looks: Sequence[int] = (),
) -> list[Part]:
    """Return the parts of a summary.

    Args:
        results: All runs.
        options: The study.
        analysis: What the runs say, by metric.
        found: What a search chose, by arm and level.
        models: Number of models that the test part has been read for.
        looks: The numbers of seeds at which results were seen.
    """
    parts: list[Part] = [("What was compared", _design(results, options))]
    chosen = tables.search_table(found, list(options.vary), options.trials)
    if chosen is not None:
        parts.append(("Searched settings", [chosen]))
    for metric, cells in analysis.items():
        better = direction(metric, results)
        content: list[str | Table] = [_explained(metric, better, results)]
        content.append(tables.result_table(cells, better))
        power = tables.power_table(cells, options.difference if metric == options.metrics[0] else None)
        content += [power] if power is not None else []
        sources = tables.source_table(results, metric)
        content += [sources] if sources is not None else []
        parts.append((metric, content))
    faults = [f"- {result.folder}: {result.fault}" for result in results if result.fault]
    if faults:
        more = [f"- and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        parts.append(("Runs that failed", ["\n".join([*faults[:MOST_FAULTS], *more])]))
    parts.append(
        (
            "How to read this",
            [
                *_method(options),
                *_seen_before(looks),
                *_chance_of_samples(results, analysis.get("test/accuracy", ()), models),
            ],
        )
    )
    return parts


def _explained(metric: str, better: str, results: Sequence[Result]) -> str:
    if not metric.startswith("gap/"):
        return f"{metric}: {WAYS[better]}." if better else f"{metric}."
    name = metric.removeprefix("gap/")
    if is_rough_gap(metric, results):
        return (
            f"{metric}: how much better {name} is in training than in validation. Training is measured during the "
            f"epoch, on batches that regularizers change, each in its own way: arms are not compared. With -c "
            f"configs/callbacks/generalization_gap.yaml the gap is measured without regularization."
        )
    return (
        f"{metric}: how much better {name} is on training samples than on validation samples, both measured without "
        f"regularization. It is small where an arm has learnt little, too."
    )


def _design(results: Sequence[Result], options: Options) -> list[str | Table]:
    arms = Table(
        ["arm", "what it adds", "tested at"],
        [[arm.name, _words(arm), f"its {arm.tested} epoch"] for arm in options.arms],
    )
    results = list({result.folder: result for result in results}.values())  # sources may share a run
    ended = [result for result in results if not result.fault]
    sizes = [
        f"{min(found):,.0f} to {max(found):,.0f} {part}" if min(found) != max(found) else f"{max(found):,.0f} {part}"
        for part in ("train", "val", "test")
        if (found := [float(result.facts[part]) for result in ended if result.facts.get(part)])
    ]
    seconds = sum(result.seconds or 0 for result in ended)
    facts = [
        f"{len(ended)} of {len(results)} runs ended well; {duration(seconds)} of training in all",
        f"what a seed changes: {', '.join(options.sources)}",
    ]
    facts += [f"{options.folds} folds"] if options.folds else []
    facts += [f"samples: {', '.join(sizes)}"] if sizes else []
    longer = sum(result.best_is_last for result in ended)
    if longer:
        facts.append(
            f"the best epoch of {longer} of {len(ended)} runs is their last: more epochs may change the verdict"
        )
    for name in ("git_commit", "device", "torch"):
        values = sorted({str(result.facts.get(name)) for result in ended})
        if len(values) > 1:
            more = f" and {len(values) - MOST_VALUES} more" if len(values) > MOST_VALUES else ""
            shown = ", ".join(re.sub(r"[0-9a-f]{32}(?=\b)", "", value) for value in values[:MOST_VALUES])
            facts.append(f"runs differ in {name}: {shown}{more}; pairs may differ by that, too")
    return [arms, "\n".join(f"- {fact}" for fact in facts)]


def _words(arm: Arm) -> str:
    searched = f"searched: {', '.join(arm.search)}" if arm.search else ""
    calibrated = "calibrated on validation before the test" if arm.calibrated else ""
    return "; ".join(filter(None, (" ".join(arm.words), searched, calibrated))) or "nothing"


def _method(options: Options) -> list[str]:
    lines = [
        f"The others are compared with {options.arms[0].name}, pair by pair. The two runs of a pair share the split, "
        "the order of the samples and, if the architecture is the same, the initial weights. Epochs and searched "
        "settings are chosen by validation; each run reads the test part once.",
        "Intervals are 95 % by Student's t. p is that of the paired t-test, corrected by Holm's method over all "
        "comparisons of a metric. Effect is the difference in standard deviations of the pairs' differences, with "
        "Hedges' correction. Bootstrap intervals (bias-corrected and accelerated) need five pairs, and are too short "
        "with fewer than ten. The verdict is that of the corrected test; the interval is not corrected, so it may "
        "leave out 0 where no difference is seen. No difference seen does not mean that there is none: the interval "
        "says how large it may be.",
    ]
    if options.folds or "split" in options.sources:
        lines.append(
            "With folds or other splits, a sample that evaluates one run may train another, so runs are not "
            "independent. The variance of a mean is then (1/n + evaluated samples / training samples) times that of a "
            "run (Nadeau and Bengio, 2003), and there is no bootstrap. Runs that share a test part and some training "
            "samples are not corrected: their intervals hold for this data."
        )
    if options.trials:
        lines.append("Searched settings were chosen by validation, so their validation metrics and gaps are flattered.")
    return lines


def _seen_before(looks: Sequence[int]) -> list[str]:
    """Return a paragraph on results that were seen before more seeds were added."""
    if len(looks) < 2:
        return []
    return [
        f"Results were seen at {', '.join(map(str, looks[:-1]))} seeds before there were {looks[-1]}. An interval and "
        "a p hold for a number of seeds that is chosen beforehand: who adds seeds until there is a difference, finds "
        "one."
    ]


def _chance_of_samples(results: Sequence[Result], cells: Sequence[Cell], models: int) -> list[str]:
    """Return a paragraph on the chance of the test samples, which seeds do not vary, and of a choice among models."""
    parts = {(result.facts.get("test_part"), result.facts["test"]) for result in results if result.facts.get("test")}
    if len(parts) != 1:
        return []
    size = int(parts.pop()[1])
    text = f"Intervals over seeds hold for these {size:,} test samples"
    if models > 1:
        text += f", which have been read for {models} models so far (a recipe is one, whatever its seeds)"
    means = [cell.spread.mean for cell in cells if cell.spread is not None]
    if not means or not 0 <= max(means) <= 1:
        return [f"{text}: the best of them looks better than it is." if models > 1 else f"{text}."]
    best, wide = max(means), 1 - (1 - CONFIDENCE) / max(models, 1)
    low, high = accuracy_interval(best, size, wide)
    correction = f", {100 * CONFIDENCE:.0f} % by Bonferroni's correction for {models}" if models > 1 else ""
    return [
        f"{text}. For other samples of the same kind, the best mean accuracy here, {best:.4f}, stands for {low:.4f} to "
        f"{high:.4f} (Wilson, {100 * wide:.4g} %{correction})."
    ]


def result_lines(results: Sequence[Result], options: Options, analysis: Analysis) -> list[str]:
    """Return the printed lines on each metric that is compared: every arm, and what its comparison shows."""
    lines = []
    for metric in options.metrics:
        cells, better = analysis[metric], direction(metric, results)
        lines.append(metric)
        names = [" ".join([cell.arm, *cell.level.values()]) for cell in cells]
        width, form = max(map(len, names), default=0), tables.form_of(cells)
        for name, cell in zip(names, cells, strict=True):
            if cell.spread is None and any(other.spread for other in cells):
                continue  # as memorised labels where none is wrong
            lines.append(f"  {name:<{width}}  {tables.in_words(cell, better, form)}")
    return [*lines, *_legend(options, analysis), ""]


def _legend(options: Options, analysis: Analysis) -> list[str]:
    """Return what the numbers of `result_lines` are."""
    counts = [len(cell.values) for metric in options.metrics for cell in analysis[metric]]
    if max(counts, default=0) < 2:
        return []
    compared = any(cell.comparison for metric in options.metrics for cell in analysis[metric])
    words = f"; difference to {options.arms[0].name} (95 % interval), p corrected by Holm" if compared else ""
    return [f"mean ± standard deviation of the runs{words}"]


def markdown(
    title: str, command: str, parts: Sequence[tuple[str, Sequence[str | Table]]], pictures: Mapping[Path, str]
) -> str:
    """Return a summary as Markdown.

    Args:
        title: Its title.
        command: The command that repeats the study.
        parts: Headings, with paragraphs and tables.
        pictures: Captions of figures, by file, relative to the summary.
    """
    blocks = [f"# {title}", f"```bash\n{command}\n```"]
    for heading, content in parts:
        blocks.append(f"## {heading}")
        blocks += [item if isinstance(item, str) else markdown_table(item) for item in content]
    blocks += ["## Figures"] * bool(pictures)
    for path, caption in pictures.items():
        blocks += [f"![{path.stem.replace('_', ' ')}]({path.as_posix()})", caption]
    blocks.append("`results.csv` has a row for each run, with its folder and its command.")
    return "\n\n".join(blocks) + "\n"


def markdown_table(table: Table) -> str:
    """Return a table as Markdown."""
    rows = [table.heads, ["---"] * len(table.heads), *table.rows]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + (f"\n\n{table.note}" if table.note else "")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
