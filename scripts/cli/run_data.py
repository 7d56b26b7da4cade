"""Parts of a run built without its model: the data, and the views of test-time augmentation."""

from typing import Any

from jsonargparse import Namespace

from datamodules import DataModule
from datamodules.augmentation import Views
from scripts.cli.building import BUILT, build_object
from scripts.cli.parser import Parser
from scripts.cli.session import seed_process


def build_data(config: Namespace) -> DataModule:
    """Return the data that settings name; it is not read yet, but for what its constructor reads.

    Raises:
        UsageError: Its class refuses its arguments.
    """
    seed_process(config)
    data: DataModule = _build("data", DataModule, config.data)
    return data


def build_views(config: Namespace) -> Views | None:
    """Return the views that settings name for test-time augmentation, None if they name none.

    Raises:
        UsageError: Their class refuses its arguments.
    """
    named = config.get("test_time_augmentation")
    views: Views | None = None if named is None else _build("test_time_augmentation", Views, named)
    return views


def _build(key: str, kind: type[Any], settings: Any) -> Any:
    parser = Parser()
    parser.add_subclass_arguments(kind, key)
    builders = [(build_object, kind, True) for kind in BUILT]
    try:
        return parser.instantiate(Namespace({key: settings}), instantiators=builders)[key]  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as error:
        parser.error(str(error), error)
