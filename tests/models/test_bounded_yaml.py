"""YAML is read as PyYAML reads it, up to limits."""

from pathlib import Path

import pytest
import yaml

from models.bounded_yaml import MOST_LEVELS, MOST_VALUES, load_yaml

RECIPES = sorted(Path("configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=map(str, RECIPES))
def test_every_recipe_is_read_as_pyyaml_reads_it(path) -> None:
    assert load_yaml(path.read_text()) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("text", ["", "a: &x [1, 2]\nb: *x\n", "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", "- 2024-01-01"])
def test_aliases_and_dates_are_read(text) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (f"[{'1,' * (MOST_VALUES - 1)}]", f"[{'1,' * MOST_VALUES}]"),
        ("[" * MOST_LEVELS + "]" * MOST_LEVELS, "[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1)),
        (
            "a: &x [1,1,1]\nb: [" + "*x," * (MOST_VALUES // 4 - 5) + "]",
            "a: &x [1,1,1]\nb: [" + "*x," * (MOST_VALUES // 4) + "]",
        ),
    ],
    ids=["values", "levels", "aliases"],
)
def test_a_limit_is_exact(within, beyond) -> None:
    assert load_yaml(within) == yaml.safe_load(within)
    with pytest.raises(yaml.YAMLError, match="more than"):
        load_yaml(beyond)
