"""YAML that a stranger may have written, read within limits: ten lines of aliases may stand for billions of values."""

from typing import Any

import yaml
from typing_extensions import override

LARGEST_TEXT = 2**20  # characters
MOST_VALUES = 20_000  # each alias counts as all that it stands for
MOST_LEVELS = 100
TOO_MANY = f"it holds more than {MOST_VALUES:,} values"
LONGEST_NUMBER = 1000  # characters of a value that is not a text


class TooMuchYAMLError(yaml.YAMLError):
    """The text exceeds a limit; the message says which."""


class _Loader(yaml.SafeLoader):
    """A safe loader that stops at the first value too many."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.level = self.values = 0
        self.sizes: dict[int, int] = {}

    @override
    def compose_node(self, parent: Any, index: Any) -> Any:
        self.level += 1
        self.values += 1
        if self.values > MOST_VALUES:
            raise TooMuchYAMLError(TOO_MANY)
        if self.level > MOST_LEVELS:
            raise TooMuchYAMLError(f"it is nested more than {MOST_LEVELS} levels deep")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self.level -= 1
        if is_alias and id(node) not in self.sizes:  # of a node that is not complete
            raise TooMuchYAMLError("a value holds itself")
        self._count(node)
        return node

    def _count(self, node: Any) -> None:
        """Note how many values a node stands for, and stop if the whole is too much."""
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > LONGEST_NUMBER and node.tag != "tag:yaml.org,2002:str":
                raise TooMuchYAMLError(f"a number or date has more than {LONGEST_NUMBER:,} characters")
            size = 1
        elif id(node) in self.sizes:
            size = self.sizes[id(node)]
        else:
            pairs = isinstance(node, yaml.MappingNode)
            inner = [part for pair in node.value for part in pair] if pairs else node.value
            size = 1 + sum(self.sizes[id(part)] for part in inner)
        self.sizes[id(node)] = size
        if size > MOST_VALUES:
            raise TooMuchYAMLError(TOO_MANY)


def load_yaml(text: str) -> Any:
    """Return what a YAML text says, made of plain values.

    Raises:
        yaml.YAMLError: It is not YAML, or larger than the limits.
    """
    if len(text) > LARGEST_TEXT:
        raise TooMuchYAMLError(f"it has more than {LARGEST_TEXT:,} characters")
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (ValueError, OverflowError) as error:  # of a date such as 2024-99-99
        raise yaml.YAMLError(str(error)) from error
    except RecursionError as error:
        raise TooMuchYAMLError("it is nested too deeply") from error
    finally:
        loader.dispose()
