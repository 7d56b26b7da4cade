"""Settings as YAML that reads back as it was: a text stays text, even where it looks like a number."""

from typing import Any

import yaml
from jsonargparse import set_dumper

# jsonargparse takes 1e3 for a number, and PyYAML, which writes, does not.
FIRST_OF_NUMBERS = tuple("+-.0123456789")
LINE_BREAKS = set("\x85\u2028\u2029\ufeff")  # which PyYAML writes as they are, and reads as spaces


class _Dumper(yaml.SafeDumper):
    """A safe dumper that quotes every text that could be taken for a number."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if LINE_BREAKS & set(text) else "'" if text.startswith(FIRST_OF_NUMBERS) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_recipe(settings: Any) -> str:
    """Return settings as YAML, in their order."""
    text: str = yaml.dump(settings, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text


set_dumper("yaml", dump_recipe)  # of every parser
