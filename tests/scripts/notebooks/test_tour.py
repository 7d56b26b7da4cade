"""The tour, as a newcomer runs it: on real digits, to its end, quietly.

`jupyter execute --inplace scripts/notebooks/tour.ipynb` renews the outputs that are committed.
"""

import base64
import io
import os
import re
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
TOUR = ROOT / "scripts" / "notebooks" / "tour.ipynb"
REASON = "{} is not installed: pip install 'holdout[notebook]'"
nbclient = pytest.importorskip("nbclient", reason=REASON.format("nbclient"))
nbformat = pytest.importorskip("nbformat", reason=REASON.format("nbclient"))
pytest.importorskip("ipykernel", reason=REASON.format("ipykernel"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(TOUR, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook, run from its first cell in a folder of its own, which is empty; an error in a cell raises."""
    folder = tmp_path_factory.mktemp("tour")
    tour = nbformat.read(TOUR, as_version=4)
    for cell in code(tour):
        cell.outputs, cell.execution_count = [], None
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(folder / "ipython")}
    resources = {"metadata": {"path": str(folder)}}
    with mock.patch.dict(os.environ, environment):
        nbclient.NotebookClient(tour, timeout=200, kernel_name="python3", resources=resources).execute()
    tour.folder = folder
    return tour


def code(tour):
    return [cell for cell in tour.cells if cell.cell_type == "code"]


def outputs(tour):
    return [output for cell in code(tour) for output in cell.outputs]


def printed(tour):
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs(tour)]
    return "\n".join(texts)


def pictures(tour):
    found = [output["data"]["image/png"] for output in outputs(tour) if "image/png" in output.get("data", {})]
    return [Image.open(io.BytesIO(base64.b64decode(picture))) for picture in found]


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_it_runs_to_its_end_without_a_warning_and_shows_pictures(which, request):
    tour = request.getfixturevalue(which)
    assert [cell.execution_count for cell in code(tour)] == list(range(1, len(code(tour)) + 1))
    assert not [output for output in outputs(tour) if output.output_type == "error" or output.get("name") == "stderr"]
    shown = pictures(tour)
    assert len(shown) >= 5, "images with labels, curves, two of memorisation, the gallery"
    assert all(min(picture.size) > 80 and len(set(picture.convert("L").getdata())) > 10 for picture in shown)


def test_it_tells_the_story_that_its_words_tell(executed):
    rows = dict(re.findall(r"^(plain|noise and \w+) .*?([\d.]+) *$", printed(executed), re.MULTILINE))
    assert rows.keys() == {"plain", "noise and MixUp", "noise and CalmOutputs"}
    assert float(rows.pop("plain")) > 0.35, "wrong labels memorised"
    assert max(map(float, rows.values())) < 0.2
    predicted, true = (
        re.search(rf"{word} +\[(.+)\]", printed(executed))[1].split(", ") for word in ("predicted", "true")
    )
    assert sum(one == other for one, other in zip(predicted, true, strict=True)) >= 8
    assert float(re.search(r"validation accuracy ([\d.]+)", printed(executed))[1]) > 0.95
    assert set(re.findall(r"^(odd|even) [\d.]+$", printed(executed), re.MULTILINE)) == {"odd", "even"}


def test_what_it_writes_lies_in_one_folder(executed):
    assert {path.name for path in executed.folder.iterdir()} <= {"runs", "ipython"}
    assert {path.name for path in (executed.folder / "runs/tour").iterdir()} >= {"plain", "regularized", "own"}


def test_what_is_committed_is_small_and_names_no_folder_of_its_author(committed):
    assert TOUR.stat().st_size < 500_000
    assert not re.search(r"/(home|work|tmp|root|Users)/", TOUR.read_text())
    assert all(len(cell.source.splitlines()) <= 32 for cell in committed.cells), "cells are short"
