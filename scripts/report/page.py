"""The page: what is shown of one run, or of several, and its HTML."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from callbacks.history import shared_metrics
from datamodules.printable import without_codes
from scripts.report import tables
from scripts.report.comparison import (
    columns_of,
    comparison_notices,
    monitor_of,
    result_table,
    run_table,
    shared_notices,
    spread_table,
)
from scripts.report.curves import LINE_COLORS, overlaid, plots_of_run
from scripts.report.formats import decimal, metric
from scripts.report.groups import Group, best_first, grouped, in_order, settings_that_differ
from scripts.report.notices import Notice, notices, warnings_first
from scripts.report.pictures import fitted
from scripts.report.plots import Entry
from scripts.report.run import Run
from scripts.report.study import Study
from scripts.report.values import class_name, inside

BYTES_OF_PICTURES = 1_900_000  # of all together; as text in the page they take a third more
LONGEST_CONFIG = 60_000  # characters
MOST_SETTINGS = 200
MOST_SHOWN = 30  # runs of which the page has more than a row
TASK_AND_NETWORK = (("model",), ("model", "init_args", "network"))


def page(runs: Sequence[Run], studies: Sequence[Study] = ()) -> tuple[str, list[Notice]]:
    """Return the page on one run or several, and the notices at its head.

    Args:
        runs: The runs.
        studies: Studies that they belong to, which come first.
    """
    shown = runs[:MOST_SHOWN]
    share = BYTES_OF_PICTURES // (len(shown) + len(studies))
    if len(runs) == 1 and not studies:
        content = {**_of_one(runs[0]), "runs": [{**_facts(runs[0], share), **_curves(runs[0])}], "comparison": None}
    else:
        content = _of_several(runs) | {"runs": [_facts(run, share) for run in shown]}
    if studies:
        content["title"] = f"{_named(studies)}: {len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    content["studies"] = [(study, *fitted(study.pictures, 3 * share)) for study in studies]
    content["not_shown"] = len(runs) - len(shown)
    problems = [Notice("warning", problem) for study in studies for problem in study.problems]
    content["found"] = [*problems, *content["found"]]
    return _template().render(content), content["found"]


def _named(studies: Sequence[Study]) -> str:
    names = [study.title for study in studies]
    more = " and more" if len(names) > 4 else ""
    return f"{'study' if len(names) == 1 else 'studies'} {', '.join(names[:4])}{more}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html.jinja")


def _visible(value: Any) -> Any:
    """Return a value as it is shown: control characters, and those that turn the direction of writing, as Python does.

    Strings that are neither markup nor text of ours may hold anything.
    """
    return value if isinstance(value, Markup) else without_codes(str(value))


def _breakable(value: str) -> Markup:
    """Return a name that may be broken where its words end."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_.])", without_codes(value)))


def _of_one(run: Run) -> dict[str, Any]:
    names = [class_name(inside(run.config, *keys)) for keys in TASK_AND_NETWORK]
    of = " of ".join(filter(None, names))
    data = class_name(inside(run.config, "data"))
    words = f"{of} on {data}" if of and data else of or data
    moment, epochs = decimal(run.best_moment), decimal(run.epochs)
    best = f"best epoch {moment} of {epochs} by {run.monitor}" if moment else ""
    return {
        "title": run.title,
        "subtitle": " · ".join(filter(None, (words, best))) or "settings unknown",
        "tiles": _tiles(run),
        "found": notices(run),
    }


def _tiles(run: Run) -> list[tuple[str, str]]:
    """Return the few numbers that a reader looks for first: the monitored metric, and one of all parts."""
    measured = run.measured
    main = next((name for name in shared_metrics([measured]) if name != "loss"), "loss")
    wanted = dict.fromkeys((run.monitor, f"val/{main}", f"train/{main}", f"gap/{main}", f"test/{main}"))
    shown = {name: measured[name] for name in wanted if name in measured}
    return [(name, metric(value, "+" if name.startswith("gap/") else "")) for name, value in shown.items()]


def _curves(run: Run) -> dict[str, Any]:
    legend = [Entry("training", "train"), Entry("validation", "val")]
    if run.best_moment is not None:
        legend.append(Entry(f"best epoch, {decimal(run.best_moment)}", "best", "dotted"))
    return {"plots": plots_of_run(run), "legend": legend}


def _facts(run: Run, bytes_of_pictures: int) -> dict[str, Any]:
    pictures, left_out = fitted(run.pictures, bytes_of_pictures)
    config = run.config_text
    return {
        "title": run.title,
        "notices": notices(run),
        "metrics": tables.metric_table(run),
        "tested": bool(run.test_metrics),
        "sampling": tables.sampling_notes(run),
        "probes": tables.probe_table(run),
        "test_facts": tables.test_facts(run),
        "classes": tables.class_table(run),
        "pictures": pictures,
        "left_out": left_out,
        "facts": tables.run_facts(run),
        "split": tables.split_table(run),
        "split_facts": tables.split_facts(run),
        "config": config if len(config) <= LONGEST_CONFIG else f"{config[:LONGEST_CONFIG]}\n… (cut)",
    }


def _of_several(runs: Sequence[Run]) -> dict[str, Any]:
    monitor, mode = monitor_of(runs)
    groups = in_order(grouped(runs), monitor, mode)
    columns = columns_of(runs, monitor)
    several = any(len(group.runs) > 1 for group in groups)
    ordered = [run for group in groups for run in group.runs]
    names = list(dict.fromkeys(run.title.rsplit("/", 1)[0] for run in runs))
    counted = f"{len(runs)} runs" + (f" in {len(groups)} groups" if 1 < len(groups) < len(runs) else "")
    return {
        "title": f"{counted}: {', '.join(names[:4])}{' and more' if len(names) > 4 else ''}",
        "subtitle": f"sorted by {monitor}" + ("" if mode else " (lower first: which way it is better is unknown)"),
        "tiles": [],
        "found": warnings_first(comparison_notices(groups) + shared_notices(ordered)),
        "comparison": {
            "monitor": monitor,
            "results": result_table(groups, columns) if len(groups) > 1 else spread_table(groups[0], columns),
            "each": run_table(best_first(runs, monitor, mode), columns) if several else None,
            "plots": overlaid(groups),
            "legend": _legend(groups, several),
            "settings": _settings(groups, ordered),
        },
    }


def _legend(groups: Sequence[Group], several: bool) -> list[Entry]:
    entries = [Entry(group.label, LINE_COLORS[number % len(LINE_COLORS)]) for number, group in enumerate(groups)]
    return [*entries, *[Entry("one run; the mean of a group is strong", "ink", "faint")] * several]


def _settings(groups: Sequence[Group], runs: Sequence[Run]) -> tables.Table | None:
    """Return the settings that differ: a column for each group, or for each run if there is but one group."""
    one = len(groups) == 1
    titles = [run.title for run in runs] if one else [group.label for group in groups]
    shown = runs if one else [group.runs[0] for group in groups]
    rows = [[name, *values] for name, values in settings_that_differ(shown).items()]
    note = "of a group, those of its first run" if not one and any(len(group.runs) > 1 for group in groups) else ""
    return tables.Table(["setting", *titles], rows[:MOST_SETTINGS], note) if rows else None
