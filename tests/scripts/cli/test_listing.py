"""`holdout list`: what can be chosen, a line each, in 80 columns."""

import os
import re
from pathlib import Path

import pytest

import datamodules
from datamodules import DataModule
from models import networks, regularizers
from models.networks import Network
from models.regularizers import Regularizer
from scripts.cli.choices import is_abstract
from scripts.cli.jobs import JOBS
from scripts.cli.listing import CHOICES, class_page, file_page, run
from tests.scripts.test_main import run_without_torch

ROOT = Path(__file__).parents[3]
CLASSES = [name for name, choice in CHOICES.items() if choice.keys]


@pytest.fixture(scope="module")
def cache_home(tmp_path_factory):
    """A start-up cache of this module's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def listed(page: str) -> dict[str, str]:
    """Return what a page says of each term, the first line of it."""
    found = re.findall(r"^  (\S+)(?: {2,}(\S.*)|\n {10,}(\S.*))?$", page, re.MULTILINE)
    return {term: beside or below for term, beside, below in found}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.usefixtures("cache_home")
def test_every_class_has_a_sentence_and_the_page_fits_80_columns(name: str) -> None:
    page = class_page(name)
    assert max(map(len, page.splitlines())) <= 80
    silent = {term for term, text in listed(page).items() if not text}
    assert silent <= {"SpikeDetection"}  # Lightning's, which has no docstring
    for key in CHOICES[name].keys:
        assert re.search(rf"^Choose: holdout fit \.\.\. --{key}\+? \w+$", page, re.MULTILINE)
        assert re.search(rf"^Its arguments: holdout fit --{key}\.help \w+$", page, re.MULTILINE)


def kinds(package, base: type) -> set[str]:
    """Return the names of the classes of a kind that a package exports, without abstract ones and bases of others."""
    found = [getattr(package, name) for name in package.__all__]
    fitting = [item for item in found if isinstance(item, type) and issubclass(item, base) and not is_abstract(item)]
    return {cls.__name__ for cls in fitting if not any(issubclass(other, cls) for other in fitting if other is not cls)}


@pytest.mark.usefixtures("cache_home")
def test_nothing_is_left_out() -> None:
    for name, package, base in (
        ("networks", networks, Network),
        ("datasets", datamodules, DataModule),
        ("regularizers", regularizers, Regularizer),
    ):
        assert kinds(package, base) <= listed(class_page(name)).keys()
    assert {"Adam", "SGD", "SAM"} <= listed(class_page("optimizers")).keys()
    assert {"WarmupCosine", "OneCycleLR"} <= listed(class_page("schedules")).keys()
    assert {"EMA", "Curves", "DeviceStatsMonitor"} <= listed(class_page("callbacks")).keys()
    assert {"FocalLoss", "MSELoss"} <= listed(class_page("losses")).keys()


@pytest.mark.parametrize(("name", "pattern"), [("recipes", "*.yaml"), ("overlays", "*/*.yaml")])
@pytest.mark.usefixtures("workplace")
def test_every_recipe_and_overlay_has_a_line(name: str, pattern: str) -> None:
    files = {str(path.relative_to(ROOT / "configs").with_suffix("")) for path in (ROOT / "configs").glob(pattern)}
    page = file_page(name)
    assert listed(page).keys() == files
    assert all(listed(page).values())
    assert max(map(len, page.splitlines())) <= 80
    assert "holdout fit -c configs/" not in page.split("\n\n")[0]


def test_recipes_are_those_of_the_project_where_the_folder_has_none(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert f"Use: holdout fit -c {ROOT}/configs/digits.yaml" in file_page("recipes")


@pytest.mark.parametrize("words", [[], ["--help"], ["networks", "-h"]])
def test_alone_it_says_what_can_be_listed(capsys, words: list[str]) -> None:
    run(JOBS["list"], words)
    assert listed(capsys.readouterr().out).keys() == CHOICES.keys()


def test_a_word_that_is_no_list_is_answered_with_the_nearest(complaint) -> None:
    assert complaint("list", "network") == "there is no list of 'network'; did you mean networks?"
    assert complaint("list", "cats").endswith("; there are " + ", ".join(CHOICES))
    assert complaint("list", "networks", "data").startswith("list takes one word, not 'networks data'; there are")


def test_a_page_that_was_shown_before_needs_no_torch(cache_home: Path) -> None:
    shown = class_page("networks")
    done = run_without_torch("list", "networks", XDG_CACHE_HOME=str(cache_home))
    assert done.stdout == shown + "\n"
    assert run_without_torch("list", "recipes").stdout.startswith("  adding_problem_lstm ")


def test_a_strangers_recipes_are_shown_and_not_obeyed(tmp_path, monkeypatch, capsys) -> None:
    configs = tmp_path / "stranger" / "configs"
    configs.mkdir(parents=True)
    monkeypatch.chdir(configs.parent)
    os.mkfifo(configs / "pipe.yaml")
    (configs / "evil\x1b[2J.yaml").write_text("# \x1b]0;owned\x07 clears the screen.\nmodel: {}\n")
    with (configs / "endless.yaml").open("wb") as file:
        file.truncate(2**40)
    run(JOBS["list"], ["recipes"])
    said = capsys.readouterr().out
    assert "clears the screen" in said
    assert "\x1b" not in said
    assert "\x07" not in said
