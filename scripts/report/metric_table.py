"""The metrics in `metrics.csv`, of a run that logs there and not to TensorBoard."""

import csv
import io
from contextlib import suppress

from callbacks.loggers.csv_logger import METRICS_FILE
from scripts.report.events import MOST_METRICS, MOST_VALUES, Values
from scripts.report.folder import RunFolder

LARGEST_FILE = 64 * 2**20


def table_values(folder: RunFolder) -> Values:
    """Return the metrics in a run's table by name and step; a problem is noted if it is damaged."""
    found: Values = {}
    content = folder.read(METRICS_FILE, LARGEST_FILE)
    if content is None:
        return found
    left = MOST_VALUES
    rows = csv.DictReader(io.StringIO(content.decode(errors="replace")))
    try:
        for row in rows:
            step = int(row["step"])
            for name, text in row.items():
                if name in (None, "step") or not isinstance(text, str) or left <= 0:
                    continue
                if text and (name in found or len(found) < MOST_METRICS):
                    with suppress(ValueError):
                        found.setdefault(name, {})[step] = float(text)
                        left -= 1
    except (csv.Error, KeyError, ValueError, TypeError):  # no step, or no number
        folder.problems.append(f"{METRICS_FILE} is damaged: what stands before that is shown")
    return found
