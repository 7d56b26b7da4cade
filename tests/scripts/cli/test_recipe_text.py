"""What a run writes into its recipe, it reads back as it was."""

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse._loaders_dumpers import yaml_load

from models.trusted import untrusted
from scripts.cli.recipe_text import dump_recipe

ODD = ["1e3", "2024", "yes", "null", "data #2", "[old] photos", "$x^{$", " lead", "trail ", "~", "a: b", "- a", "1_000"]
ODD += [
    "0x10",
    "1:30",
    "2024-01-01",
    ".5",
    ".nan",
    "=",
    "<<",
    "a\tb",
    "é",
    "'",
    '"',
    "|",
    "{x}",
    "-1.e-5",
    "%",
    "@",
    "",
    "\x85",
    "1\u2028",
    "\ufeff",
]
texts = st.text(string.printable, max_size=12) | st.text(max_size=12) | st.sampled_from(ODD)
numbers = st.from_regex(r"[-+]?[0-9._]*(e[-+]?[0-9]+)?", fullmatch=True)


@given(st.dictionaries(st.sampled_from("abc"), texts | numbers))
def test_every_text_stays_the_text_it_is(settings) -> None:
    written = dump_recipe(settings)
    assert yaml_load(written) == settings, "by the parser's loader, which takes 1e3 for a number"
    assert yaml.safe_load(written) == settings


@given(st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none())
def test_every_number_stays_a_number(value) -> None:
    assert yaml_load(dump_recipe({"a": value})) == {"a": value}


@given((texts | numbers).filter(lambda text: "://" not in text and "class_path" not in text))
def test_every_text_of_an_option_that_takes_text_is_read_from_a_checkpoint(text) -> None:
    data = {"class_path": "datamodules.ImageFolder", "init_args": {"data_dir": text}}
    assert list(untrusted({"data": data})) == []


@pytest.mark.parametrize("text", ["{class_path: evil.Net}", "http://localhost/x", "class_path: evil.Net"])
def test_a_text_that_names_a_class_or_an_address_is_not(text) -> None:
    data = {"class_path": "datamodules.ImageFolder", "init_args": {"data_dir": text}}
    assert list(untrusted({"data": data})) == [("data.init_args.data_dir", text)]
