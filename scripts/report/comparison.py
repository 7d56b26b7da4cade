"""Several runs beside each other: the table of results, and whether they can be compared."""

from collections import Counter
from collections.abc import Sequence

from scripts.report.curves import metric_name
from scripts.report.formats import decimal, metric, spread
from scripts.report.groups import Group
from scripts.report.notices import Notice, notices
from scripts.report.run import Run
from scripts.report.tables import Table, by_loss
from scripts.report.values import in_words, inside, mapping, number, text

DEVIATION = "± is the standard deviation, with n − 1 in the denominator"
MOST_TITLES = 6  # of runs that a notice names
REPEATS_THE_SPLIT = ("data.split.seed", "data.split.fold")
Identity = tuple[str, ...]


def monitor_of(runs: Sequence[Run]) -> tuple[str, str | None]:
    """Return the metric that most runs choose their best epoch by, and which way it is better, if that is known."""
    monitor = Counter(run.monitor for run in runs).most_common(1)[0][0]
    modes = [run.mode for run in runs if run.monitor == monitor and run.mode is not None]
    return monitor, modes[0] if modes else None


def columns_of(runs: Sequence[Run], monitor: str) -> list[str]:
    """Return the metrics of a table of results: the monitored one, those that training has too, others, and probes."""
    found = dict.fromkeys(name for run in runs for name in run.measured)
    trained = {name for name in found if name.startswith("train/")}
    order = [monitor]
    for in_training in (True, False):  # the first are in sight where a table is wide
        for part in ("val", "test", "gap", "train"):
            names = by_loss(name.removeprefix(f"{part}/") for name in found if name.startswith(f"{part}/"))
            some = (name for name in names if (f"train/{name}" in trained) == in_training)
            order += [f"{part}/{name}" for name in some if "/" not in name]
    order += [name for name in found if metric_name(name) == name and not name.startswith("gap/")]
    return [name for name in dict.fromkeys(order) if name in found]


def result_table(groups: Sequence[Group], columns: Sequence[str]) -> Table:
    """Return a row for each group: its metrics at the best epochs, as mean ± standard deviation if it has more runs."""
    several = any(len(group.runs) > 1 for group in groups)
    rows = []
    for group in groups:
        moments = [run.best_moment for run in group.runs]
        epochs = spread_of_moments([moment for moment in moments if moment is not None])
        counted = [str(len(group.runs))] if several else []
        rows.append([group.label, *counted, epochs, *(_cell(group, name) for name in columns)])
    note = f"mean over the runs of a group; {DEVIATION}" if several else ""
    if any(
        value < 0 for group in groups for name in columns if name.startswith("gap/") for value in group.values(name)
    ):
        note += f"{'; ' if note else ''}gap below 0: training is measured during the epoch, with regularization on"
    return Table(["runs" if several else "run", *["n"] * several, "best epoch", *columns], rows, note)


def spread_table(group: Group, columns: Sequence[str]) -> Table:
    """Return a row for each metric of the runs of one group: mean, standard deviation, and the extremes."""
    rows = []
    for name in columns:
        values = group.values(name)
        rows.append([name, _cell(group, name), metric(min(values)), metric(max(values))])
    moments = [run.best_moment for run in group.runs]
    shown = spread_of_moments([moment for moment in moments if moment is not None])
    note = f"{len(group.runs)} runs; best epochs {shown}; {DEVIATION}"
    return Table(["metric", "mean ± deviation", "lowest", "highest"], rows, note)


def spread_of_moments(moments: Sequence[float]) -> str:
    """Return the best epochs of some runs: one, or the earliest and the latest."""
    lowest, highest = (decimal(min(moments)), decimal(max(moments))) if moments else ("", "")
    return lowest if lowest == highest else f"{lowest} to {highest}"


def _cell(group: Group, name: str) -> str:
    values = group.values(name)
    partly = f" (of {len(values)})" if 0 < len(values) < len(group.runs) else ""
    if name.startswith("gap/") and len(values) == 1:
        return metric(values[0], "+") + partly
    return spread(values) + partly


def run_table(runs: Sequence[Run], columns: Sequence[str]) -> Table:
    """Return a row for each run, in order."""
    rows = [
        [
            run.title,
            decimal(run.best_moment),
            *(metric(run.measured.get(name), "+" if name.startswith("gap/") else "") for name in columns),
        ]
        for run in runs
    ]
    return Table(["run", "best epoch", *columns], rows)


def comparison_notices(groups: Sequence[Group]) -> list[Notice]:
    """Return what forbids or limits a comparison of groups."""
    runs = [run for group in groups for run in group.runs]
    found = []
    monitors = sorted({run.monitor for run in runs})
    if len(monitors) > 1:
        found.append(Notice("warning", f"the best epochs are chosen by different metrics: {', '.join(monitors)}"))
    measures = sorted({text(run.summary.get("gap_to")) for run in runs if run.gap})
    if len(measures) > 1:
        words = f"gaps are measured in different ways, to {' and to '.join(measures)}: compare those of one way alone"
        found.append(Notice("warning", words))
    for group in groups:
        found += _within(group)
    known = [group for group in groups if _splits(group)]
    for group in known[1:]:
        reasons = _split_differences(known[0], group)
        if reasons:
            words = f"{group.label} and {known[0].label} are not comparable: {'; '.join(reasons)}"
            found.append(Notice("warning", words))
    return found


def _within(group: Group) -> list[Notice]:
    """Return what one must know of the spread within a group."""
    if len(group.runs) < 2:
        return []
    varied = group.varied
    if not varied:
        words = f"{group.label}: {len(group.runs)} runs have the same settings and the same seed: they are one run"
        return [Notice("warning", words)]
    again = [key for key in varied if key in REPEATS_THE_SPLIT]
    words = f"{group.label}: {len(group.runs)} runs that differ in {' and '.join(varied)} alone"
    if again:
        words += "; the split differs too, so ± holds the chance of the split; samples are shared, so the runs are not "
        words += "independent"
    elif len(_splits(group)) > 1:
        return [Notice("warning", f"{words}, but their data differ: the spread is not that of the seed")]
    return [Notice("note", words)]


def _identity(run: Run) -> Identity | None:
    """Return the hashes of the data and of the parts that runs are compared on; None if they are unknown."""
    hashes = [text(run.part(part).get("sha256")) for part in ("val", "test")]
    found = (text(inside(run.split, "source", "sha256")), *hashes)
    return found if all(found) else None


def _splits(group: Group) -> set[Identity]:
    return {found for found in map(_identity, group.runs) if found is not None}


def _split_differences(one: Group, other: Group) -> list[str]:
    """Return in words in what the evaluated samples of two groups differ."""
    splits = _splits(one), _splits(other)
    if splits[0] == splits[1]:
        return []
    first, second = (next(run for run in group.runs if _identity(run) is not None) for group in (other, one))
    names = [text(inside(run.split, "source", "name")) for run in (first, second)]
    if names[0] != names[1]:
        return [f"they are on different datasets, {names[0]} and {names[1]}"]
    if {split[0] for split in splits[0]} != {split[0] for split in splits[1]}:
        return [f"the data of {names[0]} differ"]
    reasons = []
    for place, part in ((1, "val"), (2, "test")):
        if {split[place] for split in splits[0]} != {split[place] for split in splits[1]}:
            sizes = [number(run.part(part).get("size")) for run in (first, second)]
            reasons.append(f"the {part} parts hold different samples ({decimal(sizes[0])} and {decimal(sizes[1])})")
    arguments = [mapping(run.split.get("arguments")) for run in (first, second)]
    differing = [key for key in arguments[0] if arguments[0][key] != arguments[1].get(key)]
    reasons += [
        f"split.{key} is {in_words(arguments[0][key])} and {in_words(arguments[1].get(key))}" for key in differing[:3]
    ]
    return reasons


def shared_notices(runs: Sequence[Run]) -> list[Notice]:
    """Return the notices of single runs, each once, with the runs that it is of."""
    titles: dict[Notice, list[str]] = {}
    for run in runs:
        for notice in notices(run):
            titles.setdefault(notice, []).append(run.title)
    found = []
    for notice, of in titles.items():
        more = f" and {len(of) - MOST_TITLES} more" if len(of) > MOST_TITLES else ""
        whose = "all runs" if len(of) == len(runs) else ", ".join(of[:MOST_TITLES]) + more
        found.append(Notice(notice.kind, f"{whose}: {notice.words}"))
    return found
